//! A login: its settings put together, its credential proved by one exchange, then handed on to be
//! written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ac_cred_proto::argv::Argv;
use ac_cred_proto::message::{LoggedIn, Login, LoginNeeds, PassphraseNeed, SaidSettings};
use ac_cred_proto::secret::Credential;
use ac_cred_proto::settings::{OrgSettings, Store};
use ac_cred_proto::{Denial, ErrorCode, Org, Response};

use crate::auth_api::target::Target;
use crate::broker::change::{Change, locked};
use crate::broker::job::{self, Finished, Tools, blocking};
use crate::broker::place::{self, check_place};
use crate::broker::token::LONGEST_WAIT;
use crate::broker::{Answer, Broker, Reply, answer, deny};
use crate::clock::Now;
use crate::credential_store::Record;
use crate::policy::slot::{Failure, Grant};
use crate::policy::{Span, expiry};

/// A login under way: what it wants and where its answer goes.
pub struct LoginOrder {
    /// The alias.
    pub org: Org,
    /// The settings that it leads to.
    pub settings: Box<OrgSettings>,
    /// Whether the organization becomes the default.
    pub make_default: bool,
    /// The store in which an older credential of the organization rests.
    pub replaces: Option<Store>,
    /// Whether the credential is only to rest elsewhere.
    pub moves: bool,
    number: u64,
    /// When its credential was proved.
    proved: Now,
    reply: Reply,
}

/// The end of a login's exchange.
pub struct Proved {
    order: LoginOrder,
    result: Result<(Record, Grant), Denial>,
}

/// The settings that a login leads to, and the store of the credential that it replaces.
type Destination = (Box<OrgSettings>, Option<Store>);

/// Where the credential of a login comes from.
enum Source {
    Given(Credential),
    Printed(Argv),
    Stored(Org, Store),
}

impl Broker {
    /// Begins a login, or says what it would need.
    pub(crate) fn login(&mut self, login: Login, reply: Reply, now: Now) {
        self.begin_login(login, false, reply, now);
    }

    /// The same, also for a credential that is only moved.
    pub(crate) fn begin_login(&mut self, login: Login, moves: bool, reply: Reply, now: Now) {
        let (settings, replaces) = match self.settings_of(&login) {
            Ok(Some(found)) => found,
            Ok(None) => return self.find_place(login, reply, now),
            Err(denial) => return deny(reply, denial),
        };
        // The encrypted file can be unlocked on the way; nothing else can.
        if settings.store != Store::File && self.tools.stores.file().is_shut() {
            return deny(reply, locked());
        }
        if let Err(denial) = self.aliases_stay([Some(&login.organization), login.from.as_ref()]) {
            return deny(reply, denial);
        }
        let source = match (login.credential, login.command, login.from) {
            (Some(credential), None, _) => Source::Given(credential),
            (None, Some(argv), _) => Source::Printed(argv),
            (None, None, Some(from)) => match self.source(&from) {
                Ok(source) => source,
                Err(denial) => return deny(reply, denial),
            },
            (Some(_), Some(_), _) => return deny(reply, place::two_sources()),
            (None, None, None) => {
                let (tools, org) = (self.tools.clone(), login.organization);
                self.jobs.spawn(rehearse(tools, org, settings, reply));
                return;
            }
        };
        let number = self.next_number();
        let org = login.organization;
        self.logins.insert(org.clone(), number);
        let hold = self
            .slots
            .entry(org.clone())
            .or_default()
            .reserve(now.moment);
        let order = LoginOrder {
            org,
            settings,
            make_default: login.make_default,
            replaces,
            moves,
            number,
            proved: now,
            reply,
        };
        self.jobs.spawn(prove(
            self.tools.clone(),
            order,
            source,
            hold,
            Span(login.wait_ms.into()).min(LONGEST_WAIT),
        ));
    }

    /// The settings that a login leads to, and where the credential that it replaces rests; nothing
    /// while it is open where the new one shall rest.
    fn settings_of(&self, login: &Login) -> Result<Option<Destination>, Denial> {
        let settings = self.settings.settings()?;
        let known = settings.organizations.get(&login.organization);
        let from = login
            .from
            .as_ref()
            .map(|from| settings.choose(Some(from)))
            .transpose()?;
        let base = known
            .cloned()
            .or_else(|| from.map(|(_, settings)| inherited(settings)));
        let said = login.settings.store;
        let Some(store) = said.or(base.as_ref().map(|base| base.store)) else {
            return Ok(None);
        };
        let base = base.unwrap_or_else(|| OrgSettings::new(store));
        // Another credential has an end of its own; the same keeps the one that is known.
        let expires = from.and_then(|(_, settings)| settings.expires);
        let base = OrgSettings { expires, ..base };
        Ok(Some((
            Box::new(with_said(base, store, &login.settings)),
            known.map(|known| known.store),
        )))
    }

    fn source(&self, from: &Org) -> Result<Source, Denial> {
        let (org, settings) = self.settings.settings()?.choose(Some(from))?;
        Ok(Source::Stored(org.clone(), settings.store))
    }

    /// Goes on with a login whose exchange has ended.
    pub(crate) fn proved(&mut self, proved: Proved, now: Now) {
        let Proved { mut order, result } = proved;
        order.proved = now;
        self.slots
            .entry(order.org.clone())
            .or_default()
            .hold_off(now.moment);
        let is_newest = self.logins.get(&order.org) == Some(&order.number);
        match result {
            Ok((record, grant)) if is_newest && !order.reply.is_closed() => {
                self.change(Change::Login(Box::new(order), record, grant));
            }
            Ok(_) if !is_newest => deny(order.reply, superseded(&order.org)),
            Ok(_) => self.end_login(&order.org, order.number),
            Err(denial) => {
                self.end_login(&order.org, order.number);
                tracing::warn!(org = %order.org, error = %denial.error, "login failed: {}", denial.message);
                deny(order.reply, denial);
            }
        }
    }

    /// Takes over a credential that has been stored.
    pub(crate) fn logged_in(
        &mut self,
        order: LoginOrder,
        grant: Grant,
        not_saved: Option<Denial>,
        now: Now,
    ) {
        let LoginOrder {
            org,
            settings,
            number,
            proved,
            reply,
            ..
        } = order;
        self.end_login(&org, number);
        self.warned.remove(&org);
        tracing::info!(%org, store = %settings.store, "logged in");
        let response = Response::LoggedIn(LoggedIn {
            organization: org.clone(),
            organization_id: grant.organization_id.as_deref().map(str::to_owned),
            store: settings.store,
            api_url: settings.api_url.into(),
            expires_in: grant.life.whole_seconds(),
            settings_not_saved: not_saved.map(|denial| denial.message),
        });
        // A lock that came meanwhile holds for this token as well.
        if !self.tools.stores.file().is_shut() {
            let slot = self.slots.entry(org.clone()).or_default();
            let answers = slot.install(grant, (proved.moment, proved.wall));
            self.give(&org, answers, now);
            self.tell_renewed(&org, now);
        }
        answer(reply, Answer::One(response));
    }

    /// Answers a login whose credential could not be stored.
    pub(crate) fn not_stored(&mut self, order: LoginOrder, denial: Denial) {
        self.end_login(&order.org, order.number);
        deny(order.reply, denial);
    }

    fn end_login(&mut self, org: &Org, number: u64) {
        if self.logins.get(org) == Some(&number) {
            self.logins.remove(org);
        }
    }
}

/// The settings that another organization's credential brings along.
fn inherited(from: &OrgSettings) -> OrgSettings {
    OrgSettings {
        organization_id: None,
        sub_organization: None,
        pinned_organization: None,
        ..from.clone()
    }
}

/// The settings with what was said at login; another wanted organization is pinned anew.
fn with_said(settings: OrgSettings, store: Store, said: &SaidSettings) -> OrgSettings {
    let text =
        |value: &Option<String>, old: Option<Box<str>>| value.as_deref().map(Into::into).or(old);
    let wants_another = said.organization_id.is_some() || said.sub_organization.is_some();
    OrgSettings {
        kind: said.kind.unwrap_or(settings.kind),
        store,
        auth_url: said
            .auth_url
            .as_deref()
            .map_or(settings.auth_url, Into::into),
        api_url: said.api_url.as_deref().map_or(settings.api_url, Into::into),
        mcp_url: text(&said.mcp_url, settings.mcp_url),
        name: text(&said.name, settings.name),
        organization_id: text(&said.organization_id, settings.organization_id),
        sub_organization: text(&said.sub_organization, settings.sub_organization),
        pinned_organization: settings.pinned_organization.filter(|_| !wants_another),
        endpoint_version: said.endpoint_version.or(settings.endpoint_version),
        ca_file: text(&said.ca_file, settings.ca_file),
        proxy: text(&said.proxy, settings.proxy),
        allow_http: said.allow_http.unwrap_or(settings.allow_http),
        expires: said.expires.or(settings.expires),
    }
}

fn superseded(org: &Org) -> Denial {
    Denial::new(
        ErrorCode::Busy,
        format!("another login or logout of {org} came after this login"),
    )
}

/// Checks what can be checked of a login without its credential.
async fn rehearse(tools: Tools, org: Org, settings: Box<OrgSettings>, reply: Reply) -> Finished {
    let checked = blocking(move || {
        job::target(&org, &settings)?;
        let passphrase = place::passphrase_need(&tools.stores, settings.store);
        if passphrase == PassphraseNeed::Nothing {
            check_place(&tools.stores, &org, settings.store)?;
        }
        place::check_source(&org, settings.store, None)?;
        Ok(Response::LoginNeeds(LoginNeeds {
            kind: settings.kind,
            passphrase,
        }))
    });
    let told = checked.await.unwrap_or_else(Response::Denied);
    Finished::Answered(reply, Answer::One(told))
}

/// Exchanges the credential of a login, after `hold` and before the caller's patience ends.
async fn prove(
    tools: Tools,
    mut order: LoginOrder,
    source: Source,
    hold: Span,
    wait: Span,
) -> Finished {
    let is_prepared = AtomicBool::new(false);
    let proving = async {
        tokio::time::sleep(Duration::from_millis(hold.0)).await;
        let (target, record) = prepare(&tools, &order, source).await?;
        is_prepared.store(true, Ordering::Relaxed);
        let api = Arc::clone(&tools.auth_api);
        job::grant(api, target, record.credential.clone())
            .await
            .map(|grant| (record, grant))
            .map_err(|failure| explained(failure, &order))
    };
    let in_time = tokio::time::timeout(Duration::from_millis(wait.0), proving).await;
    let result = in_time.unwrap_or_else(|_| {
        Err(match place::silent(&order.org, order.settings.store) {
            Some(denial) if !is_prepared.load(Ordering::Relaxed) => denial,
            Some(_) | None => {
                let message = format!("{} did not answer in time", order.settings.auth_url);
                Denial::new(ErrorCode::AuthApiUnreachable, message)
            }
        })
    });
    if let Ok((record, grant)) = &result {
        let expires = order.settings.expires;
        order.settings.expires = expires.or_else(|| expiry::embedded(&record.credential));
        let pinned = order.settings.pinned_organization.take();
        order.settings.pinned_organization = grant.organization_id.clone().or(pinned);
    }
    Finished::Proved(Box::new(Proved { order, result }))
}

/// What a person who logs in is told of a failed exchange.
fn explained(failure: Failure, order: &LoginOrder) -> Denial {
    let org = &order.org;
    match failure {
        Failure::Refused(denial) => denial.hint(format!("ac-cred login {org}")),
        Failure::Transient(denial, _)
            if denial.error == ErrorCode::WrongOrganization && order.replaces.is_some() =>
        {
            denial.hint(format!("ac-cred logout {org}"))
        }
        Failure::Transient(denial, pause) => denial.retry_after(pause.map(Span::whole_seconds)),
        Failure::Here(denial) => denial,
    }
}

/// The target of a login and the record that it would store.
async fn prepare(
    tools: &Tools,
    order: &LoginOrder,
    source: Source,
) -> Result<(Arc<Target>, Record), Denial> {
    let stores = Arc::clone(&tools.stores);
    let (org, settings) = (order.org.clone(), order.settings.clone());
    blocking(move || {
        check_place(&stores, &org, settings.store)?;
        let target = job::target(&org, &settings)?;
        let (credential, command) = match source {
            Source::Given(credential) => (credential, None),
            Source::Printed(argv) => (stores.command().run(&org, &argv)?, Some(argv)),
            Source::Stored(from, store) => {
                let record = stores.of(store).load(&from)?;
                (record.credential, record.command)
            }
        };
        place::check_source(&org, settings.store, command.as_ref())?;
        let record = Record {
            credential,
            binding: target.binding().clone(),
            command,
        };
        Ok((Arc::new(target), record))
    })
    .await
}
