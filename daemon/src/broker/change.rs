//! Every change of what is stored: written one after the other, then taken over by the broker.

use std::sync::Arc;

use ac_cred_proto::message::{Done, End, EventKind, Lock, Logout, Name, Use};
use ac_cred_proto::settings::Store;
use ac_cred_proto::{Denial, ErrorCode, Org, Response};

use crate::broker::job::{Finished, Tools};
use crate::broker::login::LoginOrder;
use crate::broker::{Answer, Broker, Reply, answer, deny, place, rename};
use crate::clock::Now;
use crate::credential_store::Record;
use crate::credential_store::rename_note::Renaming;
use crate::policy::slot::Grant;
use crate::settings_file::{self, Edit};

/// What is to be done to stores and settings.
pub enum Change {
    /// Store a credential that has proved itself.
    Login(Box<LoginOrder>, Record, Grant),
    /// Forget organizations.
    Logout(Vec<(Org, Store)>, Reply),
    /// Change an alias.
    Rename(Renaming, Reply),
    /// Choose the default.
    Default(Org, Reply),
    /// Drop every secret from memory.
    Lock(Reply),
    /// The same, but for what rests in memory only, which stays there out of reach.
    LockIdle,
    /// End what a crash has left half done.
    Mend,
}

/// The end of a change.
pub struct Changed {
    change: Change,
    written: Result<Written, Denial>,
}

/// Where the settings of a change are.
enum Written {
    ToFile,
    /// In memory only, for this reason, like the credentials that they belong to.
    ToMemory(Denial),
}

impl Broker {
    pub(crate) fn logout(&mut self, logout: &Logout, reply: Reply) {
        let found = self.settings.settings().and_then(|settings| {
            if logout.all {
                return Ok(settings
                    .organizations
                    .iter()
                    .map(|(org, known)| (org.clone(), known.store))
                    .collect());
            }
            settings
                .choose(logout.organization.as_ref())
                .map(|(org, known)| vec![(org.clone(), known.store)])
        });
        let found = found.and_then(|organizations: Vec<_>| {
            self.aliases_stay(organizations.iter().map(|(org, _)| Some(org)))?;
            Ok(organizations)
        });
        match found {
            Ok(organizations) => {
                self.logins
                    .retain(|login, _| organizations.iter().all(|(org, _)| org != login));
                self.change(Change::Logout(organizations, reply));
            }
            Err(denial) => deny(reply, denial),
        }
    }

    pub(crate) fn choose_default(&mut self, chosen: &Use, reply: Reply) {
        let found = self
            .settings
            .settings()
            .and_then(|settings| settings.choose(Some(&chosen.organization)));
        let found = found.map(|(org, _)| org.clone());
        match found.and_then(|org| self.aliases_stay([Some(&org)]).map(|()| org)) {
            Ok(org) => self.change(Change::Default(org, reply)),
            Err(denial) => deny(reply, denial),
        }
    }

    /// Stops serving at once; what is being written is written first, and dropped with the rest.
    pub(crate) fn lock(&mut self, lock: Lock, reply: Reply) {
        let lost = self.tools.stores.memory().organizations();
        if !lost.is_empty() && !lock.forget_memory {
            return deny(reply, would_lose(&lost));
        }
        self.logins.clear();
        self.tools.stores.file().shut();
        self.change(Change::Lock(reply));
    }

    /// Forgets every token and answers those who wait for one.
    fn locked(&mut self, now: Now) {
        tracing::info!("locked");
        let all: Vec<Org> = self.slots.keys().cloned().collect();
        for org in all {
            self.forget(&org, &locked(), now);
        }
        self.tell(EventKind::Locked, None);
    }

    fn forget(&mut self, org: &Org, why: &Denial, now: Now) {
        if let Some(slot) = self.slots.get_mut(org) {
            let answers = slot.forget(why, now.moment);
            self.give(org, answers, now);
        }
    }

    pub(crate) fn change(&mut self, change: Change) {
        self.changing.begin(&change);
        self.jobs.spawn(carry_out(self.tools.clone(), change));
    }

    /// Takes over what a change has written.
    pub(crate) fn changed(&mut self, changed: Changed, now: Now) {
        let Changed { change, written } = changed;
        for edit in edits(&change) {
            match &written {
                Ok(Written::ToMemory(_)) => self.settings.keep_unsaved(&edit),
                Ok(Written::ToFile) => self.settings.let_go_of_unsaved(&edit),
                Err(_) => {}
            }
        }
        self.refresh_settings();
        self.changing.end(&change);
        match (change, written) {
            (Change::Login(order, _, grant), Ok(written)) => {
                let not_saved = match written {
                    Written::ToFile => None,
                    Written::ToMemory(denial) => Some(denial),
                };
                self.logged_in(*order, grant, not_saved, now);
            }
            (Change::Login(order, ..), Err(denial)) => self.not_stored(*order, denial),
            (Change::Logout(organizations, reply), Ok(_)) => {
                self.logged_out(organizations, reply, now);
            }
            (Change::Rename(renaming, reply), Ok(_)) => {
                self.renamed(&renaming.old, &renaming.new, now);
                answer(reply, Answer::One(Response::Done(Done {})));
            }
            (Change::Default(_, reply), Ok(_)) => {
                answer(reply, Answer::One(Response::Done(Done {})));
            }
            (Change::Lock(reply), _) => {
                self.locked(now);
                answer(reply, Answer::One(Response::Done(Done {})));
            }
            (Change::LockIdle, _) => self.locked(now),
            (Change::Mend, _) => {}
            (Change::Logout(organizations, reply), Err(denial)) => {
                // Half a logout has removed the credential: its token is not served on.
                for (org, _) in &organizations {
                    self.forget(org, &logged_out_of(org), now);
                }
                deny(reply, denial);
            }
            (Change::Rename(_, reply) | Change::Default(_, reply), Err(denial)) => {
                deny(reply, denial);
            }
        }
    }

    fn logged_out(&mut self, organizations: Vec<(Org, Store)>, reply: Reply, now: Now) {
        let mut names = Vec::with_capacity(organizations.len() + 1);
        for (org, _) in organizations {
            tracing::info!(%org, "logged out");
            self.warned.remove(&org);
            self.forget(&org, &logged_out_of(&org), now);
            self.tell_gone(&org);
            names.push(Response::Name(Name { organization: org }));
        }
        names.push(Response::End(End {}));
        answer(reply, Answer::Many(names));
    }
}

fn logged_out_of(org: &Org) -> Denial {
    Denial::new(ErrorCode::LoginRequired, format!("{org} was logged out"))
        .hint(format!("ac-cred login {org}"))
}

/// The refusal of what needs secrets while a person has locked them.
pub(crate) fn locked() -> Denial {
    Denial::new(ErrorCode::Locked, "credentials are locked").hint("ac-cred unlock")
}

fn would_lose(organizations: &[Org]) -> Denial {
    let names: Vec<_> = organizations.iter().map(Org::as_str).collect();
    let names = names.join(", ");
    let message = format!("what rests in memory only would be lost: the credential of {names}");
    Denial::new(ErrorCode::Usage, message).hint("ac-cred lock --yes")
}

/// The organizations that a change is about.
pub(crate) fn organizations(change: &Change) -> Vec<Org> {
    match change {
        Change::Login(order, ..) => vec![order.org.clone()],
        Change::Logout(organizations, _) => {
            organizations.iter().map(|(org, _)| org.clone()).collect()
        }
        Change::Rename(renaming, _) => vec![renaming.old.clone(), renaming.new.clone()],
        Change::Default(..) | Change::Lock(_) | Change::LockIdle | Change::Mend => Vec::new(),
    }
}

/// The edits of the settings file that a change makes.
fn edits(change: &Change) -> Vec<Edit> {
    match change {
        Change::Login(order, ..) => vec![Edit::Put {
            organization: order.org.clone(),
            settings: order.settings.clone(),
            make_default: order.make_default,
        }],
        Change::Logout(organizations, _) => organizations
            .iter()
            .map(|(org, _)| Edit::Remove(org.clone()))
            .collect(),
        Change::Rename(Renaming { old, new, .. }, _) => {
            vec![Edit::Rename(old.clone(), new.clone())]
        }
        Change::Default(org, _) => vec![Edit::Default(org.clone())],
        Change::Lock(_) | Change::LockIdle | Change::Mend => Vec::new(),
    }
}

/// Writes a change, when its turn has come.
async fn carry_out(tools: Tools, change: Change) -> Finished {
    let turn = Arc::clone(&tools.turn);
    let _turn = turn.lock().await;
    let work = tokio::task::spawn_blocking(move || {
        mend(&tools, &change);
        let written = write(&tools, &change);
        Changed { change, written }
    });
    match work.await {
        Ok(changed) => Finished::Changed(Box::new(changed)),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Ends what a crash has left half done, before a change that may depend on it.
fn mend(tools: &Tools, change: &Change) {
    match change {
        Change::Login(..) | Change::Logout(..) | Change::Mend => {
            if let Err(denial) = rename::mend(tools) {
                tracing::warn!("a rename stays half done: {}", denial.message);
            }
        }
        // A rename mends by itself; the others touch no credential, or lock them.
        Change::Rename(..) | Change::Default(..) | Change::Lock(_) | Change::LockIdle => {}
    }
}

/// A secret is removed before its settings and saved after them, so that none rests unseen.
fn write(tools: &Tools, change: &Change) -> Result<Written, Denial> {
    match change {
        Change::Login(order, record, _) => write_login(tools, order, change, record),
        Change::Logout(organizations, _) => {
            for store in Store::ALL {
                let of_store: Vec<_> = organizations
                    .iter()
                    .filter(|(_, at)| at == store)
                    .map(|(org, _)| org.clone())
                    .collect();
                // A store that none of them is in may be locked.
                if !of_store.is_empty() {
                    tools.stores.of(*store).remove(&of_store)?;
                }
            }
            write_settings(
                tools,
                change,
                organizations
                    .iter()
                    .all(|(_, store)| *store == Store::Memory),
            )
        }
        Change::Rename(renaming, _) => {
            let may_live_in_memory = renaming.store == Store::Memory;
            rename::write(tools, renaming, || {
                write_settings(tools, change, may_live_in_memory)
            })
        }
        Change::Mend => Ok(Written::ToFile),
        Change::Default(..) => write_settings(tools, change, true),
        Change::Lock(_) => {
            tools.stores.lock();
            Ok(Written::ToFile)
        }
        Change::LockIdle => {
            tools.stores.lock_what_rests_elsewhere();
            Ok(Written::ToFile)
        }
    }
}

/// Settings that cannot be written may live in memory where their credentials do.
fn write_settings(
    tools: &Tools,
    change: &Change,
    may_live_in_memory: bool,
) -> Result<Written, Denial> {
    match settings_file::apply(&tools.settings_path, &edits(change)) {
        Ok(()) => Ok(Written::ToFile),
        Err(denial) if may_live_in_memory => Ok(Written::ToMemory(denial)),
        Err(denial) => Err(denial),
    }
}

fn write_login(
    tools: &Tools,
    order: &LoginOrder,
    change: &Change,
    record: &Record,
) -> Result<Written, Denial> {
    let store = order.settings.store;
    let may_live_in_memory = store == Store::Memory;
    let Some(old) = order.replaces.filter(|old| *old != store) else {
        let written = write_settings(tools, change, may_live_in_memory)?;
        tools.stores.of(store).save(&order.org, record)?;
        return Ok(written);
    };
    place::keep(tools, store, &order.org, record)?;
    let written = write_settings(tools, change, may_live_in_memory).inspect_err(|_| {
        // What cannot be flushed may be written all the same, and then leads to the new copy.
        if !settings_file::leads_to(&tools.settings_path, &order.org, store) {
            place::undo(tools, store, &order.org);
        }
    })?;
    let removed = tools
        .stores
        .of(old)
        .remove(std::slice::from_ref(&order.org));
    match removed {
        Err(error) if order.moves => Err(place::still_there(&order.org, old, error)),
        Err(error) => {
            tracing::warn!(org = %order.org, store = %old, "the credential that was replaced stays: {error}");
            Ok(written)
        }
        Ok(()) => Ok(written),
    }
}
