//! A broker, and everything it works with under the test's thumb.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ac_cred_proto::message::{
    Destination, DestinationOf, Get, Lease, List, LoggedIn, Login, Logout, OrganizationStatus,
    Reject, Rename, SaidSettings, Status, Stop, Unlock, Use,
};
use ac_cred_proto::secret::{Credential, Passphrase, SessionToken};
use ac_cred_proto::settings::Store;
use ac_cred_proto::{Denial, ErrorCode, Org, Request, Response};
use ac_credd::audit::{Audit, Caller};
use ac_credd::broker::{Answer, Broker, Call, Identity, Parts};
use ac_credd::clock::Clock as _;
use ac_credd::course::Course;
use ac_credd::credential_store::CredentialStores;
use ac_credd::handover::Succession;
use ac_credd::places::Places;
use ac_credd::server::Unanswered;
use ac_credd::settings_file::SettingsFile;
use tempfile::TempDir;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::rig::auth_api::{Reached, SimAuthApi};
use crate::rig::clock::SimClock;

pub(crate) mod auth_api;
pub(crate) mod clock;

/// The organization of every credential that is not told otherwise.
pub(crate) const ACME: &str = "7a3f0000-0000-4000-8000-00000000000a";
pub(crate) const OTHER: &str = "7a3f0000-0000-4000-8000-00000000000b";

pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// More calls than any test makes at once.
const CALLS: usize = 16_384;

/// A directory where a file would have to be.
pub(crate) struct Obstacle(PathBuf);

impl Drop for Obstacle {
    fn drop(&mut self) {
        std::fs::remove_dir(&self.0).unwrap();
    }
}

/// An answer on its way.
pub(crate) struct Pending(oneshot::Receiver<Answer>);

impl Pending {
    /// The messages of the answer.
    pub(crate) async fn all(self) -> Vec<Response> {
        match self.0.await.expect("every call is answered") {
            Answer::One(response) => vec![response],
            Answer::Many(responses) | Answer::Watch(responses, _) => responses,
            Answer::Elsewhere(request, _) => {
                panic!("there is no successor to be asked {request:?}")
            }
        }
    }

    /// What a watcher is told at once, and where the rest comes.
    pub(crate) async fn watch(self) -> (Vec<Response>, mpsc::Receiver<Response>) {
        match self.0.await.expect("every call is answered") {
            Answer::Watch(first, then) => (first, then),
            Answer::One(_) | Answer::Many(_) | Answer::Elsewhere(..) => panic!("no watch"),
        }
    }

    /// The only message of the answer.
    pub(crate) async fn one(self) -> Response {
        let mut all = self.all().await;
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    pub(crate) async fn lease(self) -> Result<Lease, Denial> {
        let response = self.one().await;
        if let Response::Lease(lease) = response {
            return Ok(*lease);
        }
        Err(denial(response))
    }

    /// The name of the token in the answer, such as `key-1`.
    pub(crate) async fn token(self) -> String {
        name(&self.lease().await.expect("a token is served"))
    }

    pub(crate) async fn denial(self) -> Denial {
        denial(self.one().await)
    }

    pub(crate) async fn error(self) -> ErrorCode {
        self.denial().await.error
    }

    pub(crate) async fn logged_in(self) -> Result<LoggedIn, Denial> {
        let response = self.one().await;
        if let Response::LoggedIn(logged_in) = response {
            return Ok(logged_in);
        }
        Err(denial(response))
    }

    pub(crate) async fn done(self) {
        let response = self.one().await;
        assert!(matches!(response, Response::Done(_)), "{response:?}");
    }

    /// Whether the answer is there.
    pub(crate) fn is_there(&self) -> bool {
        !self.0.is_empty()
    }
}

fn denial(response: Response) -> Denial {
    let Response::Denied(denial) = response else {
        panic!("not denied: {response:?}");
    };
    denial
}

/// The name of a token, such as `key-1` for the first that `key` was exchanged for.
pub(crate) fn name(lease: &Lease) -> String {
    let token = lease.access_token.expose();
    token.rsplit('.').next().unwrap_or_default().to_owned()
}

pub(crate) fn org(name: &str) -> Org {
    Org::parse(name).unwrap()
}

/// A `get` with nothing said but the organization.
pub(crate) fn plain_get(organization: &str) -> Get {
    Get {
        organization: Some(org(organization)),
        min_ttl: None,
        refresh: false,
        wait_ms: 8_000,
    }
}

/// A `login` with a credential for the memory store.
pub(crate) fn plain_login(organization: &str, credential: &str) -> Login {
    Login {
        organization: org(organization),
        credential: Some(Credential::parse(credential).unwrap()),
        from: None,
        settings: SaidSettings {
            store: Some(Store::Memory),
            ..SaidSettings::default()
        },
        make_default: false,
        wait_ms: 8_000,
        command: None,
    }
}

/// Writes an encrypted file that is quickly opened, with the credential `key` of an organization
/// and the passphrase `right`.
fn put_encrypted(home: &Path, organization: &str) {
    let contents = format!(
        r#"{{"version":1,"credentials":{{"{organization}":{{"secret":"key","bound_to":{{"auth_url":"https://auth.appcircle.io","ca_sha256":null,"proxy":null,"allow_http":false}}}}}}}}"#
    );
    let mut recipient = age::scrypt::Recipient::new("right".to_owned().into());
    recipient.set_work_factor(2);
    let encrypted = age::encrypt(&recipient, contents.as_bytes()).unwrap();
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(home.join("credentials.age")).unwrap();
    file.write_all(&encrypted).unwrap();
}

/// What a broker works with whose settings are at one path and whose encrypted file is in `home`.
pub(crate) fn parts(
    home: &TempDir,
    settings: PathBuf,
    api: &Arc<SimAuthApi>,
    shutdown: &watch::Sender<Course>,
) -> Parts {
    let stores = CredentialStores::new(home.path().join("credentials.age"), None).unwrap();
    let clock = api.clock();
    Parts {
        auth_api: Arc::new(Reached(Arc::clone(api))),
        stores: Arc::new(stores),
        settings: SettingsFile::open(settings),
        identity: Identity {
            socket: "/run/user/1000/ac-cred/v1.sock".to_owned(),
            started: clock.now().moment,
        },
        course: shutdown.clone(),
        succession: Succession::none(),
        inherited: None,
        supervisor: Arc::default(),
        idle: None,
        clock,
    }
}

/// A broker and its surroundings.
pub(crate) struct Rig {
    pub(crate) clock: Arc<SimClock>,
    pub(crate) api: Arc<SimAuthApi>,
    pub(crate) home: TempDir,
    calls: mpsc::Sender<Call>,
    shutdown: watch::Sender<Course>,
    broker: JoinHandle<()>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    /// A broker that finds settings and the encrypted file in `home`.
    pub(crate) fn at(home: TempDir) -> Self {
        let settings = home.path().join("config.toml");
        Self::with_settings(home, settings)
    }

    fn with_settings(home: TempDir, settings: PathBuf) -> Self {
        let clock = Arc::new(SimClock::new());
        let api = Arc::new(SimAuthApi::new(Arc::clone(&clock)));
        let shutdown = watch::Sender::new(Course::On);
        let parts = parts(&home, settings, &api, &shutdown);
        let (calls, taken) = mpsc::channel(CALLS);
        let broker = tokio::spawn(Broker::new(parts).run(taken));
        Self {
            clock,
            api,
            home,
            calls,
            shutdown,
            broker,
        }
    }

    /// A broker whose settings file can be neither made nor written.
    pub(crate) fn unwritable() -> Self {
        let home = tempfile::tempdir().unwrap();
        let obstacle = home.path().join("config");
        std::fs::write(&obstacle, "a file where a directory would have to be").unwrap();
        let settings = obstacle.join("config.toml");
        Self::with_settings(home, settings)
    }

    /// Takes away what kept the settings of [`Rig::unwritable`] from being written.
    pub(crate) fn make_writable(&self) {
        let obstacle = self.home.path().join("config");
        std::fs::remove_file(obstacle).unwrap();
    }

    /// A broker that knows an organization whose credential rests in a locked file; its passphrase
    /// is `right`.
    pub(crate) fn with_locked(organization: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let settings = format!("[organizations.{organization}]\nstore = \"file\"\n");
        std::fs::write(home.path().join("config.toml"), settings).unwrap();
        put_encrypted(home.path(), organization);
        Self::at(home)
    }

    /// Puts an encrypted file there that nobody has unlocked.
    pub(crate) fn put_locked_file(&self) {
        put_encrypted(self.home.path(), "another");
    }

    /// A broker that knows an organization with a token of an hour, got for the credential `key`.
    pub(crate) async fn with(organization: &str) -> Self {
        let rig = Self::new();
        rig.login(organization, "key").logged_in().await.unwrap();
        rig
    }

    pub(crate) fn call(&self, request: Request) -> Pending {
        let (reply, answer) = oneshot::channel();
        self.calls
            .try_send(Call {
                request,
                asked: None,
                reply,
            })
            .unwrap();
        Pending(answer)
    }

    pub(crate) fn get(&self, organization: &str) -> Pending {
        self.call(Request::Get(plain_get(organization)))
    }

    /// A `get` that waits so many milliseconds.
    pub(crate) fn get_within(&self, organization: &str, wait_ms: u32) -> Pending {
        self.call(Request::Get(Get {
            wait_ms,
            ..plain_get(organization)
        }))
    }

    pub(crate) fn refresh(&self, organization: &str) -> Pending {
        self.call(Request::Get(Get {
            refresh: true,
            ..plain_get(organization)
        }))
    }

    /// A `get` that demands so many seconds of life.
    pub(crate) fn demand(&self, organization: &str, min_ttl: u32) -> Pending {
        self.call(Request::Get(Get {
            min_ttl: Some(min_ttl),
            ..plain_get(organization)
        }))
    }

    pub(crate) fn reject(&self, organization: &str, token: Option<&SessionToken>) -> Pending {
        self.call(Request::Reject(Reject {
            organization: Some(org(organization)),
            token: token.cloned(),
            wait_ms: 8_000,
        }))
    }

    pub(crate) fn login(&self, organization: &str, credential: &str) -> Pending {
        self.call(Request::Login(Box::new(plain_login(
            organization,
            credential,
        ))))
    }

    pub(crate) fn login_with(&self, login: Login) -> Pending {
        self.call(Request::Login(Box::new(login)))
    }

    pub(crate) fn logout(&self, organization: &str) -> Pending {
        self.call(Request::Logout(Logout {
            organization: Some(org(organization)),
            all: false,
        }))
    }

    pub(crate) fn rename(&self, old: &str, new: &str) -> Pending {
        self.call(Request::Rename(Rename {
            old: org(old),
            new: org(new),
        }))
    }

    pub(crate) fn choose(&self, organization: &str) -> Pending {
        self.call(Request::Use(Use {
            organization: org(organization),
        }))
    }

    pub(crate) fn unlock(&self, passphrase: &str, create: bool) -> Pending {
        self.call(Request::Unlock(Unlock {
            passphrase: Some(Passphrase::parse(passphrase).unwrap()),
            create,
            identity: None,
        }))
    }

    pub(crate) fn stop(&self) -> Pending {
        self.call(Request::Stop(Stop {}))
    }

    /// The aliases that are known.
    pub(crate) async fn list(&self) -> Vec<String> {
        let mut answer = self.call(Request::List(List {})).all().await;
        let end = answer.pop();
        assert!(matches!(end, Some(Response::End(_))), "{end:?}");
        let mut names = Vec::new();
        for response in answer {
            let Response::Name(name) = response else {
                panic!("{response:?}");
            };
            names.push(name.organization.as_str().to_owned());
        }
        names
    }

    pub(crate) async fn status(&self, organization: &str) -> OrganizationStatus {
        let asked = Status {
            organization: Some(org(organization)),
        };
        let answer = self.call(Request::Status(asked)).all().await;
        let [_daemon, Response::Organization(row), Response::End(_)] = &answer[..] else {
            panic!("{answer:?}");
        };
        row.as_ref().clone()
    }

    pub(crate) async fn destination(&self, organization: &str) -> Destination {
        let organization = Some(org(organization));
        let asked = Request::Destination(DestinationOf { organization });
        let Response::Destination(destination) = self.call(asked).one().await else {
            panic!("no destination");
        };
        *destination
    }

    /// Waits until the broker has taken every call made so far.
    pub(crate) async fn settled(&self) {
        self.call(Request::List(List {})).all().await;
    }

    /// Lets time pass, timer by timer.
    pub(crate) async fn pass(&self, span: Duration) {
        let never = std::future::pending::<()>();
        tokio::time::timeout(span, never).await.unwrap_err();
        self.settled().await;
    }

    /// Lets everything run that does not wait for anything.
    pub(crate) async fn is_quiet(&self) {
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
    }

    /// Lets time pass at once, also while something is being written.
    pub(crate) async fn advance(&self, span: Duration) {
        self.is_quiet().await;
        tokio::time::advance(span).await;
        self.settled().await;
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now().moment.0
    }

    /// A connection that the daemon's server serves.
    pub(crate) fn connect(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(8_192);
        let ends = self.shutdown.subscribe();
        let calls = self.calls.clone();
        let clock = self.clock.clone();
        tokio::spawn(async move {
            let place = Places::new(1).take().expect("it is the only one");
            let page = Arc::new(Audit::new(clock)).page(Caller::default());
            ac_credd::server::serve((far, Unanswered::default()), calls, ends, &place, &page).await;
        });
        near
    }

    /// Whether the daemon has been told to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.shutdown.borrow().is_over()
    }

    /// Ends the broker as the process does, and leaves what it wrote.
    pub(crate) async fn end(self) -> TempDir {
        drop(self.calls);
        self.broker.await.unwrap();
        self.home
    }

    pub(crate) fn settings_path(&self) -> PathBuf {
        self.home.path().join("config.toml")
    }

    /// Keeps the settings from being written until the lock is dropped: another process has them.
    pub(crate) fn lock_settings(&self) -> File {
        let lock = File::create(self.home.path().join("config.lock")).unwrap();
        lock.lock().unwrap();
        lock
    }

    /// Makes every attempt to write the settings fail until the obstacle is dropped.
    pub(crate) fn forbid_settings(&self) -> Obstacle {
        let path = self.home.path().join("config.lock");
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        Obstacle(path)
    }

    pub(crate) fn settings_text(&self) -> String {
        std::fs::read_to_string(self.settings_path()).unwrap_or_default()
    }

    /// A person edits the settings file.
    pub(crate) fn edit(&self, text: &str) {
        std::fs::write(self.settings_path(), text).unwrap();
    }

    /// A person replaces one text in the settings file by another.
    pub(crate) fn replace(&self, old: &str, new: &str) {
        let text = self.settings_text();
        assert!(text.contains(old), "{old} is not in {text}");
        self.edit(&text.replace(old, new));
    }
}
