//! Faults of the daemon's own: what panics takes nobody else with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ac_cred_proto::ErrorCode;
use ac_credd::clock::{Clock, Now};

use crate::rig::auth_api::Reply;
use crate::rig::clock::SimClock;
use crate::rig::{self, Rig};
use crate::running::{Daemon, GET, LOGIN, answer, ask, is_closed, locally, socket};

/// A clock that can be made to panic whoever reads it.
struct Faulty {
    clock: Arc<SimClock>,
    is_broken: AtomicBool,
}

impl Faulty {
    fn new(clock: Arc<SimClock>) -> Arc<Self> {
        let is_broken = AtomicBool::new(false);
        Arc::new(Self { clock, is_broken })
    }

    fn set(&self, is_broken: bool) {
        self.is_broken.store(is_broken, Ordering::Relaxed);
    }
}

impl Clock for Faulty {
    fn now(&self) -> Now {
        assert!(
            !self.is_broken.load(Ordering::Relaxed),
            "the clock is broken"
        );
        self.clock.now()
    }
}

#[test]
fn a_thousand_connections_that_panic_take_nobody_with_them() {
    locally(async {
        let mut of_audit = None;
        let daemon = Daemon::with_clocks(|clock| {
            // The connection itself notes what was asked, by this clock.
            let faulty = of_audit.insert(Faulty::new(Arc::clone(&clock)));
            (clock, faulty.clone())
        });
        let faulty = of_audit.expect("the daemon has its clock");
        let mut witness = daemon.connect().await;
        assert!(ask(&mut witness, LOGIN).await.contains("logged_in"));
        faulty.set(true);
        for _ in 0..1_000 {
            let mut victim = daemon.connect().await;
            assert_eq!(ask(&mut victim, GET).await, "", "nothing is half told");
            let told = ask(&mut witness, r#"{"list":{}}"#).await;
            assert!(told.contains("acme"), "{told}");
            assert_eq!(answer(&mut witness).await, "{\"end\":{}}\n");
        }
        faulty.set(false);
        assert!(ask(&mut witness, GET).await.contains(".key-1\""));
        let mut newcomer = daemon.connect().await;
        assert!(ask(&mut newcomer, GET).await.contains(".key-1\""));
        assert_eq!(daemon.api.count(), 1);
        assert!(!daemon.running.is_finished());
    });
}

#[test]
fn a_daemon_whose_broker_panics_ends_for_the_next_one() {
    locally(async {
        let mut of_broker = None;
        let daemon = Daemon::with_clocks(|clock| {
            let faulty = of_broker.insert(Faulty::new(Arc::clone(&clock)));
            (faulty.clone(), clock)
        });
        let faulty = of_broker.expect("the daemon has its clock");
        let mut waiting = daemon.connect().await;
        assert!(ask(&mut waiting, LOGIN).await.contains("logged_in"));
        faulty.set(true);
        let told = ask(&mut waiting, GET).await;
        assert!(told.contains(r#""error":"daemon_unreachable""#), "{told}");
        assert!(is_closed(&mut waiting).await);
        let denial = daemon
            .running
            .await
            .unwrap()
            .expect_err("it is no usual end");
        assert_eq!(denial.error, ErrorCode::Internal);
        assert!(
            !socket(&daemon.home).exists(),
            "the next one is found at once"
        );
    });
}

#[tokio::test(start_paused = true)]
async fn a_login_that_panics_is_answered_and_the_next_one_is_served() {
    let rig = Rig::with("acme").await;
    rig.api.plan("new", Reply::Panic);
    let denial = rig
        .login("beta", "new")
        .logged_in()
        .await
        .expect_err("it was lost");
    assert_eq!(denial.error, ErrorCode::Internal);
    assert!(rig.login("beta", "new").logged_in().await.is_ok());
    assert_eq!(rig::name(&rig.get("acme").lease().await.unwrap()), "key-1");
}
