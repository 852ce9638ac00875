//! An Auth API in memory: what it answers is read by the daemon's own reader.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use ac_cred_proto::secret::Credential;
use ac_cred_proto::{Denial, ErrorCode};
use ac_credd::auth_api::answer::Answer;
use ac_credd::auth_api::target::Target;
use ac_credd::auth_api::{self, AuthApi, Exchange, Look};
use ac_credd::clock::Clock as _;
use ac_credd::policy::Moment;
use ac_credd::policy::slot::Failure;
use data_encoding::BASE64URL_NOPAD;
use tokio::sync::{oneshot, watch};
use zeroize::Zeroizing;

use crate::rig::ACME;
use crate::rig::clock::SimClock;

/// What the Auth API makes of an exchange.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// A token that lives this many seconds.
    Token(u64),
    /// A token for another organization than the credential's own.
    Foreign(&'static str),
    /// A token that says nothing of its organization.
    Opaque,
    /// The credential is not accepted.
    Refused,
    /// Any other status, with a body.
    Status(u16, &'static str),
    /// Too many exchanges: come again after this many seconds.
    Limited(u64),
    /// The network is gone.
    Lost,
    /// A fault of the daemon itself.
    Panic,
}

/// One exchange, as the Auth API remembers it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) url: String,
    pub(crate) at: Moment,
}

enum Plan {
    At(Reply),
    When(oneshot::Receiver<Reply>),
}

/// Answers an exchange that is held.
pub(crate) struct Gate(oneshot::Sender<Reply>);

impl Gate {
    /// Lets the exchange end.
    pub(crate) fn open(self, reply: Reply) {
        // The daemon may have given the exchange up.
        self.0.send(reply).ok();
    }
}

/// An Auth API that grants tokens of an hour until it is told otherwise.
pub(crate) struct SimAuthApi {
    clock: Arc<SimClock>,
    plans: Mutex<BTreeMap<String, VecDeque<Plan>>>,
    issued: Mutex<BTreeMap<String, u64>>,
    seen: watch::Sender<Vec<Seen>>,
}

impl SimAuthApi {
    pub(crate) fn new(clock: Arc<SimClock>) -> Self {
        Self {
            clock,
            plans: Mutex::default(),
            issued: Mutex::default(),
            seen: watch::Sender::new(Vec::new()),
        }
    }

    pub(crate) fn clock(&self) -> Arc<SimClock> {
        Arc::clone(&self.clock)
    }

    /// Plans the next exchange of a credential that has no plan yet.
    pub(crate) fn plan(&self, credential: &str, reply: Reply) {
        self.add(credential, Plan::At(reply));
    }

    /// Holds the next exchange of a credential that has no plan yet until the gate is opened.
    pub(crate) fn hold(&self, credential: &str) -> Gate {
        let (sender, receiver) = oneshot::channel();
        self.add(credential, Plan::When(receiver));
        Gate(sender)
    }

    fn add(&self, credential: &str, plan: Plan) {
        let mut plans = self.plans.lock().unwrap();
        plans
            .entry(credential.to_owned())
            .or_default()
            .push_back(plan);
    }

    /// Every exchange so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// How many exchanges there have been.
    pub(crate) fn count(&self) -> usize {
        self.seen.borrow().len()
    }

    /// Waits until so many exchanges have begun.
    pub(crate) async fn began(&self, count: usize) {
        let mut seen = self.seen.subscribe();
        seen.wait_for(|seen| seen.len() >= count).await.unwrap();
    }

    /// The answer to an exchange, as it would come over HTTPS.
    fn answer(&self, reply: &Reply, target: &Target, credential: &str) -> Result<Answer, Failure> {
        let token = |life: u64, organization: Option<&str>| {
            let body = self.token(credential, life, organization);
            (200, body, None)
        };
        let (status, body, retry_after) = match *reply {
            Reply::Token(life) => token(
                life,
                Some(target.settings().asked_organization().unwrap_or(ACME)),
            ),
            Reply::Foreign(organization) => token(3_600, Some(organization)),
            Reply::Opaque => token(3_600, None),
            Reply::Refused => (401, r#"{"error":"invalid_grant"}"#.to_owned(), None),
            Reply::Status(status, body) => (status, body.to_owned(), None),
            Reply::Limited(seconds) => (429, String::new(), Some(seconds.to_string())),
            Reply::Lost => {
                let denial = Denial::new(ErrorCode::AuthApiUnreachable, "the network is gone");
                return Err(Failure::Transient(denial, None));
            }
            Reply::Panic => panic!("a fault in the middle of an exchange"),
        };
        let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(self.clock.right());
        Ok(Answer {
            status,
            date: Some(httpdate::fmt_http_date(date)),
            retry_after,
            body: Zeroizing::new(body.into_bytes()),
            wall: self.clock.now().wall,
        })
    }

    /// The body with the next token for a credential, which ends in `.<credential>-<number>`.
    fn token(&self, credential: &str, life: u64, organization: Option<&str>) -> String {
        let mut issued = self.issued.lock().unwrap();
        let number = issued.entry(credential.to_owned()).or_default();
        *number += 1;
        let organization = organization.map_or_else(String::new, |id| {
            format!(r#","currentOrganizationId":"{id}""#)
        });
        let exp = self.clock.right() + life;
        let claims = BASE64URL_NOPAD.encode(format!(r#"{{"exp":{exp}{organization}}}"#).as_bytes());
        format!(r#"{{"access_token":"eyJ9.{claims}.{credential}-{number}","expires_in":{life}}}"#)
    }
}

/// The Auth API as the daemon reaches it.
pub(crate) struct Reached(pub(crate) Arc<SimAuthApi>);

impl AuthApi for Reached {
    fn exchange(&self, target: Arc<Target>, credential: Credential) -> Exchange {
        let api = Arc::clone(&self.0);
        let text = credential.expose().to_owned();
        let plan = api
            .plans
            .lock()
            .unwrap()
            .get_mut(&text)
            .and_then(VecDeque::pop_front);
        let seen = Seen {
            url: target.url().to_owned(),
            at: api.clock.now().moment,
        };
        api.seen.send_modify(|all| all.push(seen));
        Box::pin(async move {
            let reply = match plan {
                None => Reply::Token(3_600),
                Some(Plan::At(reply)) => reply,
                Some(Plan::When(opened)) => opened.await.unwrap_or(Reply::Lost),
            };
            let answer = api.answer(&reply, &target, &text)?;
            answer.read(&target, &credential)
        })
    }

    fn look(&self, _target: Arc<Target>) -> Look {
        Box::pin(async { Ok(auth_api::Seen::default()) })
    }
}
