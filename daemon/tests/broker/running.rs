//! The whole daemon on a socket of its own, from its first caller to its end.

use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;

use ac_cred_proto::Denial;
use ac_credd::audit::Audit;
use ac_credd::clock::Clock;
use ac_credd::course::Course;
use ac_credd::handover::Relay;
use ac_credd::listener::Listener;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, LocalSet};

use crate::rig::auth_api::{Reply, SimAuthApi};
use crate::rig::clock::SimClock;
use crate::rig::parts;

pub(crate) const LOGIN: &str =
    r#"{"login":{"organization":"acme","credential":"key","settings":{"store":"memory"}}}"#;
pub(crate) const GET: &str = r#"{"get":{}}"#;
const REFRESH: &str = r#"{"get":{"refresh":true}}"#;

/// Runs a test as the process runs the daemon: in one thread.
pub(crate) fn locally(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// A daemon that serves a socket in a directory of its own.
pub(crate) struct Daemon {
    pub(crate) home: TempDir,
    pub(crate) api: Arc<SimAuthApi>,
    at_once: oneshot::Sender<()>,
    pub(crate) running: JoinHandle<Result<Option<Relay>, Denial>>,
}

impl Daemon {
    fn start() -> Self {
        Self::with_clocks(|clock| (clock.clone(), clock))
    }

    /// A daemon whose broker and whose audit read these clocks.
    pub(crate) fn with_clocks(
        clocks: impl FnOnce(Arc<SimClock>) -> (Arc<dyn Clock>, Arc<dyn Clock>),
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let api = Arc::new(SimAuthApi::new(Arc::new(SimClock::new())));
        let shutdown = watch::Sender::new(Course::On);
        let mut parts = parts(&home, home.path().join("config.toml"), &api, &shutdown);
        let (of_broker, of_audit) = clocks(api.clock());
        parts.clock = of_broker;
        let audit = Audit::new(of_audit);
        let listener = Listener::bind(&socket(&home)).unwrap();
        let (at_once, told) = oneshot::channel();
        let told = async {
            // Without a word it runs until it is stopped.
            if told.await.is_err() {
                pending::<()>().await;
            }
        };
        Self {
            running: tokio::task::spawn_local(ac_credd::run(parts, audit, listener, None, told)),
            home,
            api,
            at_once,
        }
    }

    pub(crate) async fn connect(&self) -> BufReader<UnixStream> {
        BufReader::new(UnixStream::connect(socket(&self.home)).await.unwrap())
    }
}

pub(crate) fn socket(home: &TempDir) -> PathBuf {
    home.path().join("run").join("v1.sock")
}

async fn send(connection: &mut BufReader<UnixStream>, line: &str) {
    let line = format!("{line}\n");
    connection
        .get_mut()
        .write_all(line.as_bytes())
        .await
        .unwrap();
}

pub(crate) async fn answer(connection: &mut BufReader<UnixStream>) -> String {
    let mut line = String::new();
    connection.read_line(&mut line).await.unwrap();
    line
}

pub(crate) async fn ask(connection: &mut BufReader<UnixStream>, line: &str) -> String {
    send(connection, line).await;
    answer(connection).await
}

pub(crate) async fn is_closed(connection: &mut BufReader<UnixStream>) -> bool {
    connection.read_u8().await.is_err()
}

#[test]
fn callers_are_served_and_the_endpoint_goes_with_the_daemon() {
    locally(async {
        let daemon = Daemon::start();
        let mut caller = daemon.connect().await;
        assert!(ask(&mut caller, LOGIN).await.starts_with("{\"logged_in\":"));
        assert!(ask(&mut caller, GET).await.contains(".key-1\""));
        let mut another = daemon.connect().await;
        assert!(ask(&mut another, GET).await.contains(".key-1\""));
        assert_eq!(ask(&mut another, r#"{"stop":{}}"#).await, "{\"done\":{}}\n");
        assert!(is_closed(&mut caller).await && is_closed(&mut another).await);
        daemon.running.await.unwrap().unwrap();
        assert!(!socket(&daemon.home).exists());
        assert_eq!(daemon.api.count(), 1);
    });
}

#[test]
fn what_a_peer_has_sent_does_not_cost_it_the_reason() {
    locally(async {
        let daemon = Daemon::start();
        let mut caller = daemon.connect().await;
        let line = format!("{{{}", "x".repeat(150_000));
        send(&mut caller, &line).await;
        let told = answer(&mut caller).await;
        assert!(told.contains("longer than 65536"), "{told}");
        assert!(is_closed(&mut caller).await);
    });
}

#[test]
fn who_waits_when_the_daemon_is_stopped_is_answered_before_it_ends() {
    locally(async {
        let daemon = Daemon::start();
        let mut caller = daemon.connect().await;
        ask(&mut caller, LOGIN).await;
        let gate = daemon.api.hold("key");
        send(&mut caller, REFRESH).await;
        daemon.api.began(2).await;
        let mut silent = daemon.connect().await;
        let mut stopping = daemon.connect().await;
        assert_eq!(
            ask(&mut stopping, r#"{"stop":{}}"#).await,
            "{\"done\":{}}\n"
        );
        assert!(
            is_closed(&mut silent).await,
            "nobody waits for one who says nothing"
        );
        assert!(!daemon.running.is_finished());
        gate.open(Reply::Token(3_600));
        assert!(answer(&mut caller).await.contains(".key-2\""));
        assert!(is_closed(&mut caller).await);
        daemon.running.await.unwrap().unwrap();
    });
}

#[test]
fn a_daemon_that_is_told_to_end_at_once_waits_for_nobody() {
    locally(async {
        let daemon = Daemon::start();
        let mut caller = daemon.connect().await;
        ask(&mut caller, LOGIN).await;
        let _gate = daemon.api.hold("key");
        send(&mut caller, REFRESH).await;
        daemon.api.began(2).await;
        daemon.at_once.send(()).unwrap();
        daemon.running.await.unwrap().unwrap();
        assert!(is_closed(&mut caller).await);
        assert!(!socket(&daemon.home).exists());
    });
}

#[test]
fn an_endpoint_has_one_daemon_at_a_time() {
    locally(async {
        let daemon = Daemon::start();
        let path = socket(&daemon.home);
        let denial = Listener::bind(&path).err().expect("it is taken");
        assert!(
            denial.message.contains("another ac-credd serves"),
            "{denial}"
        );
        let mut caller = daemon.connect().await;
        ask(&mut caller, r#"{"stop":{}}"#).await;
        daemon.running.await.unwrap().unwrap();
        assert!(Listener::bind(&path).is_ok(), "the next one may have it");
    });
}
