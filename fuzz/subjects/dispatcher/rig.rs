//! A broker with a clock and an Auth API in memory, and what must hold of its answers.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ac_cred_proto::frame::Encoding;
use ac_cred_proto::secret::Credential;
use ac_cred_proto::time::Timestamp;
use ac_cred_proto::{Denial, ErrorCode, Request, Response};
use ac_credd::auth_api::answer::Answer as ApiAnswer;
use ac_credd::auth_api::target::Target;
use ac_credd::auth_api::{self, AuthApi, Exchange, Look};
use ac_credd::broker::{Answer, Broker, Call, Identity, Parts};
use ac_credd::clock::{Clock, Now};
use ac_credd::course::Course;
use ac_credd::credential_store::CredentialStores;
use ac_credd::handover::Succession;
use ac_credd::policy::Moment;
use ac_credd::policy::slot::Failure;
use ac_credd::settings_file::SettingsFile;
use data_encoding::BASE64URL_NOPAD;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use zeroize::Zeroizing;

pub(crate) const ORGANIZATIONS: [&str; 4] = [
    "acme",
    "other",
    "third",
    "7a3f0000-0000-4000-8000-000000000000",
];

/// No request holds these but a login, so that no answer can hold them by right.
pub(crate) const CREDENTIALS: [&str; 3] =
    ["Zq7kWv9tXr2mBn4c", "Yp6jVu8sWq1lAm3b", "Xo5iUt7rVp0kZl2a"];

const BEGINNING: u64 = 1_790_000_000;

/// Longer than any caller waits, any exchange takes, and any login waits for its turn.
const AT_LAST: Duration = Duration::from_mins(4);

/// More calls than a script makes before the broker runs.
const CALLS: usize = 65_536;

/// The only disk that a test may wear out is in memory, where there is one.
const IN_MEMORY: &str = "/dev/shm";

thread_local! {
    /// A runtime whose timers go as fast as nothing else is to be done.
    static RUNTIME: RefCell<Runtime> = RefCell::new(
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime can be built"),
    );
}

pub(crate) fn block_on(play: impl Future<Output = ()>) {
    RUNTIME.with_borrow(|runtime| runtime.block_on(play));
}

/// What an exchange meets.
pub(crate) struct Plan {
    pub(crate) delay: Duration,
    /// The status; 0 is a lost network.
    pub(crate) status: u16,
    /// A body in place of a token.
    pub(crate) body: Option<String>,
    pub(crate) life: u32,
    pub(crate) is_foreign: bool,
    /// Whether the credential is told back.
    pub(crate) echoes: bool,
    pub(crate) retry_after: Option<String>,
}

struct SimClock {
    began: Instant,
    slept_ms: AtomicU64,
    step_s: AtomicI64,
}

impl SimClock {
    fn passed_ms(&self) -> u64 {
        let awake = now() - self.began;
        u64::try_from(awake.as_millis()).unwrap_or(u64::MAX) + self.slept_ms.load(Ordering::Relaxed)
    }

    fn right(&self) -> u64 {
        BEGINNING + self.passed_ms() / 1_000
    }
}

impl Clock for SimClock {
    fn now(&self) -> Now {
        let wall = self
            .right()
            .saturating_add_signed(self.step_s.load(Ordering::Relaxed));
        Now {
            moment: Moment(5_000_000 + self.passed_ms()),
            wall: Timestamp::from_unix(wall),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "tokio's clock, which is held still here"
)]
fn now() -> Instant {
    Instant::now()
}

struct SimAuthApi {
    clock: Arc<SimClock>,
    plans: Arc<Mutex<VecDeque<Plan>>>,
    issued: AtomicU64,
}

impl SimAuthApi {
    fn answer(&self, plan: &Plan, credential: &str) -> ApiAnswer {
        let body = match &plan.body {
            Some(_) if plan.echoes => format!(r#"{{"message":"{credential} is wrong"}}"#),
            Some(body) => body.clone(),
            None => self.token(plan, credential),
        };
        let date = std::time::UNIX_EPOCH + Duration::from_secs(self.clock.right());
        ApiAnswer {
            status: plan.status,
            date: Some(httpdate::fmt_http_date(date)),
            retry_after: plan.retry_after.clone(),
            body: Zeroizing::new(body.into_bytes()),
            wall: self.clock.now().wall,
        }
    }

    fn token(&self, plan: &Plan, credential: &str) -> String {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let owner = CREDENTIALS
            .iter()
            .position(|known| *known == credential)
            .unwrap_or(9);
        let owner = if plan.is_foreign { 8 } else { owner };
        let exp = self.clock.right() + u64::from(plan.life);
        let claims = format!(
            r#"{{"exp":{exp},"currentOrganizationId":"7a3f0000-0000-4000-8000-{owner:012}"}}"#
        );
        let payload = BASE64URL_NOPAD.encode(claims.as_bytes());
        format!(
            r#"{{"access_token":"eyJ9.{payload}.{number}","expires_in":{}}}"#,
            plan.life
        )
    }
}

struct Reached(Arc<SimAuthApi>);

impl AuthApi for Reached {
    fn exchange(&self, target: Arc<Target>, credential: Credential) -> Exchange {
        let api = Arc::clone(&self.0);
        let planned = api
            .plans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let plan = planned.unwrap_or(Plan {
            delay: Duration::ZERO,
            status: 200,
            body: None,
            life: 3_600,
            is_foreign: false,
            echoes: false,
            retry_after: None,
        });
        Box::pin(async move {
            tokio::time::sleep(plan.delay).await;
            if plan.status == 0 {
                let denial = Denial::new(ErrorCode::AuthApiUnreachable, "the network is gone");
                return Err(Failure::Transient(denial, None));
            }
            api.answer(&plan, credential.expose())
                .read(&target, &credential)
        })
    }

    fn look(&self, _target: Arc<Target>) -> Look {
        Box::pin(async { Ok(auth_api::Seen::default()) })
    }
}

/// One who waits for an answer, and what it demanded.
struct Pending {
    answer: oneshot::Receiver<Answer>,
    min_ttl: Option<u32>,
    /// Whether it asked when nothing was known any more.
    finds_nothing: bool,
    is_login: bool,
    /// Where it logs everybody out: how many had asked to log in before it.
    logs_all_out: Option<u64>,
}

/// A broker and those who wait for it.
pub(crate) struct Rig {
    clock: Arc<SimClock>,
    plans: Arc<Mutex<VecDeque<Plan>>>,
    calls: mpsc::Sender<Call>,
    broker: JoinHandle<()>,
    pending: Vec<Pending>,
    /// Whether everybody has logged out and nobody has come since.
    is_empty: bool,
    /// Whether somebody has left a login, whose end is not seen.
    is_unsure: bool,
    /// How many have asked to log in.
    logins: u64,
    _home: Option<TempDir>,
}

impl Rig {
    /// An odd kind has settings that can be written, an even one keeps them in memory.
    pub(crate) fn new(kind: u8) -> Self {
        let clock = Arc::new(SimClock {
            began: now(),
            slept_ms: AtomicU64::new(0),
            step_s: AtomicI64::new(0),
        });
        let plans = Arc::new(Mutex::new(VecDeque::new()));
        let api = Arc::new(SimAuthApi {
            clock: Arc::clone(&clock),
            plans: Arc::clone(&plans),
            issued: AtomicU64::new(0),
        });
        let home = (kind % 2 == 1).then(home);
        let place = home
            .as_ref()
            .map_or(PathBuf::from("/proc/none"), |home| home.path().to_owned());
        let stores = CredentialStores::new(place.join("credentials.age"), None);
        let shared: Arc<dyn Clock> = clock.clone();
        let parts = Parts {
            auth_api: Arc::new(Reached(api)),
            stores: Arc::new(stores.expect("the system gives random bytes")),
            settings: SettingsFile::open(place.join("config.toml")),
            identity: Identity {
                socket: "/run/user/1000/ac-cred/v1.sock".to_owned(),
                started: clock.now().moment,
            },
            course: watch::Sender::new(Course::On),
            succession: Succession::none(),
            inherited: None,
            supervisor: Arc::default(),
            idle: None,
            clock: shared,
        };
        let (calls, taken) = mpsc::channel(CALLS);
        Self {
            clock,
            plans,
            calls,
            broker: tokio::spawn(Broker::new(parts).run(taken)),
            pending: Vec::new(),
            is_empty: true,
            is_unsure: false,
            logins: 0,
            _home: home,
        }
    }

    pub(crate) fn call(&mut self, request: Request) {
        let is_login = matches!(request, Request::Login(_));
        let is_get = matches!(request, Request::Get(_) | Request::Reject(_));
        let min_ttl = if let Request::Get(get) = &request {
            get.min_ttl
        } else {
            None
        };
        // Whoever asks while others are under way may find what they bring.
        let is_for_all = matches!(&request, Request::Logout(logout) if logout.all);
        let logs_all_out = (is_for_all && self.pending.is_empty()).then_some(self.logins);
        self.is_empty &= !is_login;
        self.logins += u64::from(is_login);
        let (reply, answer) = oneshot::channel();
        let sent = self.calls.try_send(Call {
            request,
            asked: None,
            reply,
        });
        assert!(sent.is_ok(), "the broker has ended");
        self.pending.push(Pending {
            answer,
            min_ttl,
            finds_nothing: is_get && self.is_empty && !self.is_unsure,
            is_login,
            logs_all_out,
        });
    }

    pub(crate) fn plan(&self, plan: Plan) {
        self.plans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(plan);
    }

    pub(crate) async fn pass(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }

    pub(crate) fn sleep(&self, span: Duration) {
        let ms = u64::try_from(span.as_millis()).unwrap_or(0);
        self.clock.slept_ms.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn step_wall(&self, seconds: i64) {
        self.clock.step_s.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) fn leave(&mut self) {
        self.is_unsure |= self.pending.pop().is_some_and(|gone| gone.is_login);
    }

    /// Lets the broker take all calls, and start what it starts for them.
    pub(crate) async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    /// Looks at the answers that are there.
    pub(crate) fn check(&mut self) {
        let mut waiting = Vec::with_capacity(self.pending.len());
        for mut pending in std::mem::take(&mut self.pending) {
            match pending.answer.try_recv() {
                Ok(answer) => self.is_right(&pending, answer),
                Err(TryRecvError::Empty) => waiting.push(pending),
                Err(closed) => assert_eq!(closed, TryRecvError::Empty, "a call was dropped"),
            }
        }
        self.pending = waiting;
    }

    fn is_right(&mut self, pending: &Pending, answer: Answer) {
        let responses = match answer {
            Answer::One(response) => vec![response],
            Answer::Many(responses) | Answer::Watch(responses, _) => responses,
            // There is no successor to be asked.
            Answer::Elsewhere(..) => Vec::new(),
        };
        let is_whole = matches!(responses.last(), Some(Response::End(_)));
        for response in &responses {
            let line = Encoding::Json
                .encode(response)
                .expect("an answer fits a line");
            let text = String::from_utf8_lossy(&line);
            let is_told = CREDENTIALS
                .iter()
                .any(|credential| text.contains(credential));
            assert!(!is_told, "an answer holds a credential");
            if let Response::Lease(lease) = response {
                assert!(
                    !pending.finds_nothing,
                    "a token was served after the logout"
                );
                assert!(
                    pending
                        .min_ttl
                        .is_none_or(|demanded| lease.expires_in >= demanded)
                );
            }
        }
        // Others may have logged in since it was asked for.
        if pending.logs_all_out == Some(self.logins) && is_whole && !self.is_unsure {
            self.is_empty = true;
        }
    }

    /// Lets everybody be answered, and ends the broker.
    pub(crate) async fn end(mut self) {
        tokio::time::sleep(AT_LAST).await;
        self.check();
        assert!(self.pending.is_empty(), "somebody is still waiting");
        drop(self.calls);
        self.broker.await.expect("the broker ends well");
    }
}

fn home() -> TempDir {
    let parent = PathBuf::from(IN_MEMORY);
    let made = if parent.is_dir() {
        tempfile::tempdir_in(parent)
    } else {
        tempfile::tempdir()
    };
    made.expect("a directory can be made")
}
