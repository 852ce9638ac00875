//! Puts requests to a daemon's broker, one after the other, and prints the answers as JSON lines:
//! `requests HOME REQUEST…`.
//!
//! It is a daemon without a socket, and with an Auth API that takes every credential and grants
//! `token-of-CREDENTIAL`, so that tests can cut short what a daemon writes, and see what became of
//! it, many times a second.
//! As the daemon does, it becomes the commands that print credentials.

use std::error::Error;
use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use ac_cred_proto::frame::Encoding;
use ac_cred_proto::secret::{Credential, SessionToken};
use ac_cred_proto::{Denial, ErrorCode, Request};
use ac_credd::auth_api::target::Target;
use ac_credd::auth_api::{AuthApi, Exchange, Look, Seen};
use ac_credd::broker::{Answer, Broker, Call, Identity, Parts};
use ac_credd::clock::{Clock, SystemClock};
use ac_credd::course::Course;
use ac_credd::credential_store::CredentialStores;
use ac_credd::handover::Succession;
use ac_credd::helper;
use ac_credd::policy::Span;
use ac_credd::policy::slot::{Failure, Grant};
use ac_credd::settings_file::SettingsFile;
use tokio::sync::{mpsc, oneshot, watch};

/// An Auth API that takes every credential.
struct Generous;

impl AuthApi for Generous {
    fn exchange(&self, _target: Arc<Target>, credential: Credential) -> Exchange {
        let granted = grant(&credential).map_err(|error| {
            let denial = Denial::new(ErrorCode::AuthApiBadAnswer, error.to_string());
            Failure::Transient(denial, None)
        });
        Box::pin(async move { granted })
    }

    fn look(&self, _target: Arc<Target>) -> Look {
        Box::pin(async { Ok(Seen::default()) })
    }
}

fn grant(credential: &Credential) -> Result<Grant, Box<dyn Error>> {
    let now = SystemClock.now();
    let life = Span::seconds(3_600);
    Ok(Grant {
        token: SessionToken::parse(&format!("token-of-{}", credential.expose()))?,
        organization_id: None,
        life,
        expires_at: now.wall,
    })
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if let Some(code) = helper::run() {
        return Ok(code);
    }
    let mut words = std::env::args().skip(1);
    let home = PathBuf::from(words.next().ok_or("no home is said")?);
    // One thread for all that blocks, so that its system calls have the same order in every run.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(ask(&home.join("ac-cred"), words))?;
    Ok(ExitCode::SUCCESS)
}

async fn ask(home: &Path, requests: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let stores = CredentialStores::new(home.join("credentials.age"), None)?;
    let parts = Parts {
        auth_api: Arc::new(Generous),
        stores: Arc::new(stores),
        settings: SettingsFile::open(home.join("config.toml")),
        identity: Identity {
            socket: String::new(),
            started: clock.now().moment,
        },
        course: watch::Sender::new(Course::On),
        succession: Succession::none(),
        inherited: None,
        supervisor: Arc::default(),
        idle: None,
        clock,
    };
    let (calls, taken) = mpsc::channel(1);
    let broker = tokio::spawn(Broker::new(parts).run(taken));
    for line in requests {
        let request: Request = Encoding::Json.decode(line.as_bytes())?;
        let (reply, answer) = oneshot::channel();
        calls
            .send(Call {
                request,
                asked: None,
                reply,
            })
            .await?;
        let responses = match answer.await? {
            Answer::One(response) => vec![response],
            Answer::Many(responses) => responses,
            Answer::Watch(..) | Answer::Elsewhere(..) => {
                return Err("what has no end cannot be asked".into());
            }
        };
        for response in responses {
            stdout().write_all(&Encoding::Json.encode(&response)?)?;
        }
    }
    drop(calls);
    Ok(broker.await?)
}
