//! The Auth API simulator: a server for the tests, with every exchange on record and every way of
//! going wrong at hand.
//!
//! HTTP and meaning are apart: `http` reads and writes, `grant` decides, `ledger` remembers,
//! `plan` says what is to go wrong and `fault` how that looks on the wire.
//!
//! ```
//! use ac_cred_tests::{auth_sim::{AuthSim, Fault}, https};
//!
//! let sim = AuthSim::start();
//! sim.add_personal_access_key("secret", "7a3f1c2e-0000-4000-8000-000000000001").named("acme");
//! sim.fail_next(1, Fault::status(503));
//! let url = format!("{}/auth/v3/token", sim.url());
//! let post = || https::post_form(&url, Some(&sim.ca_pem()), &[("personalAccessKey", "secret")]);
//! assert_eq!(post().unwrap().status, 503);
//! assert_eq!(post().unwrap().status, 200);
//! assert_eq!(sim.exchange_count(), 2);
//! ```

mod breakage;
mod fault;
mod grant;
pub(crate) mod http;
mod knobs;
mod ledger;
mod plan;
mod record;
pub mod rows;
mod server;
mod spoil;
mod tls;
mod token;
pub(crate) mod wire;

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic::Ordering},
    time::Duration,
};

pub use self::{
    fault::Fault,
    grant::is_guid,
    knobs::Only,
    plan::Gate,
    record::{ApiCall, Exchange},
    tls::Tls,
    token::IssuedToken,
};
use self::{
    grant::{Credential, Endpoint, Kind},
    ledger::Ledger,
    server::{Listener, Shared},
    tls::{Authority, Door},
};

/// Gets one line for every exchange and API call, without a secret or a token in it.
pub type Observer = Arc<dyn Fn(&str) + Send + Sync>;

/// How a simulator starts.
#[derive(Clone)]
pub struct Options {
    /// What who connects meets first.
    pub tls: Tls,
    /// The port of 127.0.0.1 to listen at; 0 takes any that is free.
    pub port: u16,
    /// Seconds that tokens live; 3600 is what test doubles of Appcircle's own client use.
    pub lifetime: i64,
    /// Who is told of exchanges and calls as they happen.
    pub observer: Option<Observer>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tls: Tls::Good,
            port: 0,
            lifetime: 3600,
            observer: None,
        }
    }
}

/// A running simulator; it ends, with every connection, when it is dropped.
pub struct AuthSim {
    shared: Arc<Shared>,
    authority: Authority,
    tls: Mutex<Tls>,
    port: u16,
    /// None while connections are refused.
    listener: Mutex<Option<Listener>>,
}

/// Starting, ending, and where it is.
impl AuthSim {
    /// Starts with HTTPS at a free port.
    ///
    /// # Panics
    /// If the machine has no port or thread left.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// Starts with options.
    ///
    /// # Panics
    /// If the port is taken, or the machine has no port or thread left.
    #[must_use]
    pub fn start_with(options: Options) -> Self {
        Self::try_start(options).expect("a port of the loopback interface can be listened at")
    }

    /// Starts with options.
    ///
    /// # Errors
    /// If the port cannot be listened at.
    pub fn try_start(options: Options) -> io::Result<Self> {
        let authority = Authority::new();
        let ledger = Ledger::new(options.lifetime);
        let door = authority.door(options.tls);
        let shared = Arc::new(Shared::new(ledger, door, options.observer));
        let listener = Listener::open(options.port, &shared)?;
        Ok(Self {
            shared,
            authority,
            tls: Mutex::new(options.tls),
            port: listener.port(),
            listener: Mutex::new(Some(listener)),
        })
    }

    /// TLS as this simulator speaks it at the moment, for another server of the same installation;
    /// none while it speaks no TLS.
    #[must_use]
    pub fn server_config(&self) -> Option<Arc<rustls::ServerConfig>> {
        match &*lock(&self.shared.door) {
            Door::Tls(config) => Some(Arc::clone(config)),
            Door::Plain | Door::Bytes(_) | Door::Silent => None,
        }
    }

    /// Such as `https://127.0.0.1:49152`; the scheme follows the TLS of the moment.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", lock(&self.tls).scheme(), self.port)
    }

    /// The port of 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate authority that signs the server's certificate, in PEM.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.authority.pem()
    }

    /// Changes what connections meet from now on.
    pub fn set_tls(&self, tls: Tls) {
        *lock(&self.shared.door) = self.authority.door(tls);
        *lock(&self.tls) = tls;
    }

    /// Closes the port, so that connections are refused, until [`Self::listen_again`].
    pub fn refuse_connections(&self) {
        if let Some(listener) = lock(&self.listener).take() {
            listener.close();
        }
    }

    /// Ends every connection that is open now; faults that would last for ever end with them.
    pub fn cut_connections(&self) {
        self.shared.cut();
    }

    /// Listens again at the same port.
    ///
    /// # Panics
    /// If another program has taken the port in the meantime.
    pub fn listen_again(&self) {
        let mut listener = lock(&self.listener);
        if listener.is_none() {
            let opened = Listener::open(self.port, &self.shared);
            *listener = Some(opened.expect("the port is still free"));
        }
    }
}

impl Drop for AuthSim {
    fn drop(&mut self) {
        self.refuse_connections();
        self.shared.end();
    }
}

/// Credentials.
impl AuthSim {
    /// Adds a personal access key for an organization, today's kind.
    pub fn add_personal_access_key(&self, secret: &str, organization_id: &str) -> Added<'_> {
        self.add(Kind::PersonalAccessKey, None, secret, &[organization_id])
    }

    /// Adds a personal access token for an organization, the legacy kind.
    pub fn add_personal_access_token(&self, secret: &str, organization_id: &str) -> Added<'_> {
        self.add(Kind::PersonalAccessToken, None, secret, &[organization_id])
    }

    /// Adds an API key; the first organization is the one of a token when none
    /// is asked for.
    pub fn add_api_key(&self, name: &str, secret: &str, organization_ids: &[&str]) -> Added<'_> {
        self.add(Kind::ApiKey, Some(name), secret, organization_ids)
    }

    /// Makes the server refuse a credential from now on; its tokens live on.
    pub fn revoke(&self, secret: &str) {
        let ledger = &self.shared.ledger;
        ledger.amend(secret, |credential| credential.revoked = true);
    }

    /// Takes back [`Self::revoke`].
    pub fn restore(&self, secret: &str) {
        let ledger = &self.shared.ledger;
        ledger.amend(secret, |credential| credential.revoked = false);
    }

    /// Makes the API refuse a token from now on; false if this simulator did not issue it.
    pub fn revoke_token(&self, token: &str) -> bool {
        self.shared.ledger.revoke_token(token)
    }

    /// Gives an organization a name, which its tokens then carry in place of the first 8
    /// characters of its GUID.
    pub fn name_organization(&self, organization_id: &str, name: &str) {
        self.shared.ledger.name_organization(organization_id, name);
    }

    fn add(&self, kind: Kind, name: Option<&str>, secret: &str, ids: &[&str]) -> Added<'_> {
        let (home, others) = ids.split_first().expect("a credential has an organization");
        let credential = Credential {
            kind,
            name: name.map(str::to_owned),
            home: (*home).to_owned(),
            others: others.iter().map(|&id| id.to_owned()).collect(),
            label: name.map(str::to_owned),
            revoked: false,
        };
        self.shared.ledger.add(secret, credential);
        Added {
            sim: self,
            secret: secret.to_owned(),
            home: (*home).to_owned(),
        }
    }
}

/// A credential that has been added, to say more about it.
pub struct Added<'a> {
    sim: &'a AuthSim,
    secret: String,
    home: String,
}

#[expect(
    clippy::must_use_candidate,
    reason = "they are called for what they do, and return for the next"
)]
impl Added<'_> {
    /// Names the credential's own organization, and so its tokens.
    pub fn named(&self, name: &str) -> &Self {
        self.sim.name_organization(&self.home, name);
        self
    }

    /// Lets the credential ask for a sub-organization.
    pub fn with_sub_organization(&self, organization_id: &str) -> &Self {
        let id = organization_id.to_owned();
        let ledger = &self.sim.shared.ledger;
        ledger.amend(&self.secret, |known| known.others.extend([id]));
        self
    }
}

/// The record.
impl AuthSim {
    /// Every exchange, in the order in which they came.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.ledger.exchanges()
    }

    /// How many exchanges have come.
    #[must_use]
    pub fn exchange_count(&self) -> usize {
        self.shared.ledger.exchange_count(|_| true)
    }

    /// How many exchanges have come with this secret.
    #[must_use]
    pub fn exchange_count_for(&self, secret: &str) -> usize {
        let ledger = &self.shared.ledger;
        ledger.exchange_count(|exchange| has_secret(exchange, secret))
    }

    /// The most exchanges with this secret that were unanswered at the same time.
    #[must_use]
    pub fn most_at_once_for(&self, secret: &str) -> usize {
        self.shared.ledger.peak(secret)
    }

    /// How many TCP connections were accepted, also those that never spoke HTTP.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    /// Every request that was no exchange, in the order in which they came.
    #[must_use]
    pub fn api_calls(&self) -> Vec<ApiCall> {
        self.shared.ledger.api_calls()
    }

    /// Every session token, in the order in which they were issued.
    #[must_use]
    pub fn issued_tokens(&self) -> Vec<IssuedToken> {
        self.shared.ledger.issued()
    }

    /// Blocks until `n` exchanges have come since the start; false when `deadline` passes first.
    #[must_use]
    pub fn wait_for_exchanges(&self, n: usize, deadline: Duration) -> bool {
        self.shared.ledger.wait_for(n, deadline, |_| true)
    }

    /// Blocks until `n` exchanges with this secret have come; false when `deadline` passes first.
    #[must_use]
    pub fn wait_for_exchanges_of(&self, secret: &str, n: usize, deadline: Duration) -> bool {
        let ledger = &self.shared.ledger;
        ledger.wait_for(n, deadline, |exchange| has_secret(exchange, secret))
    }

    /// Blocks until `n` exchanges have been answered; false when `deadline` passes first.
    #[must_use]
    pub fn wait_for_answers(&self, n: usize, deadline: Duration) -> bool {
        let ledger = &self.shared.ledger;
        ledger.wait_for(n, deadline, |exchange| exchange.answered)
    }
}

fn has_secret(exchange: &Exchange, secret: &str) -> bool {
    Endpoint::at(&exchange.path).and_then(|endpoint| endpoint.secret(&exchange.form))
        == Some(secret)
}

/// Locks, whatever a thread that panicked has left.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Blocks while `unmet` holds; false when `deadline` passes first.
fn wait_while<T>(
    changed: &Condvar,
    guard: MutexGuard<'_, T>,
    deadline: Duration,
    unmet: impl FnMut(&mut T) -> bool,
) -> bool {
    let (guard, result) = changed
        .wait_timeout_while(guard, deadline, unmet)
        .unwrap_or_else(PoisonError::into_inner);
    drop(guard);
    !result.timed_out()
}
