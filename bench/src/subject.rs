//! The daemon's library in a process of its own, with a stand-in for the Auth API: so many
//! organizations, each with a credential in memory and, once asked for, a token of 1,200 bytes.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ac_cred_proto::frame::Encoding;
use ac_cred_proto::message::Stop;
use ac_cred_proto::secret::{Credential, SessionToken};
use ac_cred_proto::settings::{OrgSettings, Store};
use ac_cred_proto::time::Timestamp;
use ac_cred_proto::{Denial, ErrorCode, Org, Request};
use ac_cred_tests::world::Connection;
use ac_credd::audit::Audit;
use ac_credd::auth_api::target::Target;
use ac_credd::auth_api::{AuthApi, Exchange, Look};
use ac_credd::broker::{Identity, Parts, job};
use ac_credd::clock::{Clock, Now};
use ac_credd::course::Course;
use ac_credd::credential_store::{CredentialStore as _, CredentialStores, Record};
use ac_credd::handover::Succession;
use ac_credd::listener::Listener;
use ac_credd::policy::slot::{Failure, Grant};
use ac_credd::policy::{Moment, Span};
use ac_credd::settings_file::SettingsFile;
use tempfile::TempDir;
use tokio::sync::watch;

/// The length of a token that names a few claims.
pub(crate) const TOKEN_LENGTH: usize = 1_200;

/// The life of the tokens: longer than any measurement.
const LIFE: Span = Span::seconds(24 * 3_600);

/// Counts from the start of the process: valgrind hides from the daemon's own clock the page on which
/// the kernel keeps the time.
#[derive(Clone, Copy)]
struct SinceStart(Instant);

impl Clock for SinceStart {
    #[expect(
        clippy::disallowed_methods,
        reason = "there is no other clock below valgrind"
    )]
    fn now(&self) -> Now {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let passed = u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now {
            // Not from nothing, as no machine asks its daemon the moment it starts.
            moment: Moment(passed.saturating_add(60_000)),
            wall: Timestamp::from_unix(since.unwrap_or_default().as_secs()),
        }
    }
}

/// Gives every credential the same token.
struct StandIn {
    clock: SinceStart,
}

impl AuthApi for StandIn {
    fn exchange(&self, _target: Arc<Target>, _credential: Credential) -> Exchange {
        let grant = SessionToken::parse(&"x".repeat(TOKEN_LENGTH))
            .map(|token| Grant {
                token,
                organization_id: Some("7a3f0000-0000-4000-8000-000000000000".into()),
                life: LIFE,
                expires_at: self.clock.now().wall,
            })
            .map_err(|error| Failure::Here(Denial::new(ErrorCode::Internal, error.to_string())));
        Box::pin(async move { grant })
    }

    fn look(&self, _target: Arc<Target>) -> Look {
        Box::pin(std::future::pending())
    }
}

/// The name of an organization.
pub(crate) fn org(number: usize) -> io::Result<Org> {
    Org::parse(&format!("org-{number}")).map_err(io::Error::other)
}

/// Serves `count` organizations in `directory` until it is told to stop.
pub(crate) fn serve(directory: &Path, count: usize) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let parts = parts(directory, count)?;
        let listener = Listener::bind(&socket(directory)).map_err(refused)?;
        writeln!(io::stdout(), "ready")?;
        let audit = Audit::new(Arc::clone(&parts.clock));
        let ended = ac_credd::run(parts, audit, listener, None, std::future::pending()).await;
        ended.map(|_| ()).map_err(refused)
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "there is no other clock below valgrind"
)]
fn parts(directory: &Path, count: usize) -> io::Result<Parts> {
    let clock = SinceStart(Instant::now());
    let path = directory.join("config.toml");
    let stores =
        CredentialStores::new(directory.join("credentials.age"), None).map_err(io::Error::other)?;
    let settings = OrgSettings::new(Store::Memory);
    let mut text = String::new();
    for number in 0..count {
        let org = org(number)?;
        let target = job::target(&org, &settings).map_err(refused)?;
        let record = Record {
            credential: Credential::parse("credential").map_err(io::Error::other)?,
            binding: target.binding().clone(),
            command: None,
        };
        stores
            .memory()
            .save(&org, &record)
            .map_err(io::Error::other)?;
        text += &["[organizations.", org.as_str(), "]\nstore = \"memory\"\n"].concat();
    }
    fs::write(&path, text)?;
    Ok(Parts {
        auth_api: Arc::new(StandIn { clock }),
        stores: Arc::new(stores),
        settings: SettingsFile::open(path),
        identity: Identity {
            socket: socket(directory).display().to_string(),
            started: clock.now().moment,
        },
        course: watch::Sender::new(Course::On),
        succession: Succession::none(),
        inherited: None,
        supervisor: Arc::default(),
        idle: None,
        clock: Arc::new(clock),
    })
}

fn refused(denial: Denial) -> io::Error {
    let Denial { message, .. } = denial;
    io::Error::other(message)
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("run").join("v1.sock")
}

/// Such a process, which ends with this.
pub(crate) struct Subject {
    process: Child,
    directory: TempDir,
}

impl Subject {
    /// Starts one below `wrapper`, a command line that may be empty.
    pub(crate) fn start(wrapper: &[String], count: usize) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("ac-cred-")
            .tempdir_in("/tmp")?;
        // A copy: what two of the same program share counts half for each.
        let own = directory.path().join("subject");
        fs::copy(std::env::current_exe()?, &own)?;
        let program = wrapper
            .first()
            .map_or(own.as_os_str(), |word| word.as_ref());
        let mut command = Command::new(program);
        if !wrapper.is_empty() {
            command.args(&wrapper[1..]).arg(&own);
        }
        let mut process = command
            .arg("subject")
            .arg(directory.path())
            .arg(count.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        if line != "ready\n" {
            return Err(io::Error::other("the measured daemon does not start"));
        }
        Ok(Self { process, directory })
    }

    /// The file that it runs.
    pub(crate) fn program(&self) -> PathBuf {
        self.directory.path().join("subject")
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        socket(self.directory.path())
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Tells it to stop, and waits until it has.
    pub(crate) fn stop(&mut self) -> io::Result<()> {
        Connection::open(&self.socket(), Encoding::Binary)?.ask(&Request::Stop(Stop {}));
        self.process.wait().map(drop)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // It has ended by itself where it was told to.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
