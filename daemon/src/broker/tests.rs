//! What the broker does unasked.

use std::sync::atomic::{AtomicU64, Ordering};

use ac_cred_proto::secret::{Credential, SessionToken};
use ac_cred_proto::time::Timestamp;

use super::*;
use crate::auth_api::target::Target;
use crate::auth_api::{AuthApi, Exchange, Look};
use crate::credential_store::CredentialStores;
use crate::policy::slot::Grant;

/// A clock that a test sets, in milliseconds.
#[derive(Default)]
struct SetClock(AtomicU64);

impl Clock for SetClock {
    fn now(&self) -> Now {
        Now {
            moment: Moment(self.0.load(Ordering::Relaxed)),
            wall: Timestamp::default(),
        }
    }
}

/// An Auth API that nobody should reach.
struct Unreachable;

impl AuthApi for Unreachable {
    fn exchange(&self, _target: Arc<Target>, _credential: Credential) -> Exchange {
        Box::pin(std::future::pending())
    }

    fn look(&self, _target: Arc<Target>) -> Look {
        Box::pin(std::future::pending())
    }
}

fn broker(clock: &Arc<SetClock>) -> Broker {
    let nowhere = std::path::PathBuf::from("/nonexistent/ac-cred");
    Broker::new(Parts {
        clock: clock.clone(),
        auth_api: Arc::new(Unreachable),
        stores: Arc::new(CredentialStores::new(nowhere.clone(), None).unwrap()),
        settings: SettingsFile::open(nowhere),
        identity: Identity {
            socket: String::new(),
            started: Moment(0),
        },
        course: watch::Sender::new(Course::On),
        succession: Succession::none(),
        inherited: None,
        supervisor: Arc::default(),
        idle: None,
    })
}

#[test]
fn an_expired_token_leaves_memory_in_time_however_many_calls_come() {
    let clock = Arc::new(SetClock::default());
    let mut broker = broker(&clock);
    let org = Org::parse("acme").unwrap();
    let grant = Grant {
        token: SessionToken::parse("token").unwrap(),
        organization_id: None,
        life: Span::seconds(10),
        expires_at: Timestamp::default(),
    };
    let slot = broker.slots.entry(org).or_default();
    slot.install(grant, (Moment(0), Timestamp::default()));
    for (now, sleeps) in [(0, 30_000), (20_000, 10_000), (29_999, 1)] {
        clock.0.store(now, Ordering::Relaxed);
        assert_eq!(
            broker.sleep(),
            Span(sleeps),
            "a call at {now} puts nothing off"
        );
        broker.wake();
        assert_eq!(broker.slots.len(), 1);
    }
    clock.0.store(30_000, Ordering::Relaxed);
    assert_eq!(broker.sleep(), Span(0));
    broker.wake();
    assert!(broker.slots.is_empty());
    assert_eq!(broker.sleep(), Span(30_000));
}
