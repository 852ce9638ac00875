//! Where a credential shall rest: the default of a login, what each store wants first, and moves.

use ac_cred_proto::argv::Argv;
use ac_cred_proto::message::{Login, Move, PassphraseNeed, SaidSettings};
use ac_cred_proto::settings::Store;
use ac_cred_proto::{Denial, ErrorCode, Org};

use crate::broker::job::{Finished, Tools, blocking};
use crate::broker::{Broker, Reply, deny};
use crate::clock::Now;
use crate::credential_store::command::CommandError;
use crate::credential_store::keyring::KeyringError;
use crate::credential_store::{CredentialStores, Record, StoreError};

/// A login that did not say where its credential shall rest, and whether the keyring takes it.
pub struct Placed {
    login: Login,
    reply: Reply,
    asked: Now,
    keyring: Result<(), Denial>,
}

impl Broker {
    /// Asks the keyring whether it takes the credential of a login.
    pub(crate) fn find_place(&mut self, login: Login, reply: Reply, now: Now) {
        let tools = self.tools.clone();
        self.jobs.spawn(ask_keyring(tools, login, reply, now));
    }

    /// Goes on with a login whose credential the keyring takes.
    pub(crate) fn found_place(&mut self, placed: Placed, now: Now) {
        let Placed {
            mut login,
            reply,
            asked,
            keyring,
        } = placed;
        if let Err(denial) = keyring {
            return deny(reply, denial);
        }
        login.settings.store = Some(Store::Keyring);
        let taken = u32::try_from(asked.moment.until(now.moment).0).unwrap_or(u32::MAX);
        login.wait_ms = login.wait_ms.saturating_sub(taken);
        self.login(login, reply, now);
    }

    /// Begins a move: a login with the organization's own credential, which rests elsewhere then.
    pub(crate) fn move_credential(&mut self, wanted: Move, reply: Reply, now: Now) {
        let chosen = self
            .settings
            .settings()
            .and_then(|settings| settings.choose(wanted.organization.as_ref()));
        let organization = match chosen.map(|(org, _)| org.clone()) {
            Ok(org) => org,
            Err(denial) => return deny(reply, denial),
        };
        let login = Login {
            from: Some(organization.clone()),
            organization,
            credential: None,
            settings: SaidSettings {
                store: Some(wanted.to),
                ..SaidSettings::default()
            },
            make_default: false,
            wait_ms: wanted.wait_ms,
            command: wanted.command,
        };
        self.begin_login(login, true, reply, now);
    }
}

async fn ask_keyring(tools: Tools, login: Login, reply: Reply, asked: Now) -> Finished {
    let wait = std::time::Duration::from_millis(login.wait_ms.into());
    let check = blocking(move || Ok(tools.stores.keyring().check()));
    let checked = match tokio::time::timeout(wait, check).await {
        Ok(checked) => checked,
        Err(_) => Ok(Err(KeyringError::Silent)),
    };
    let keyring = checked.and_then(|checked| {
        checked.map_err(|error| match error {
            // It is there: nothing else is chosen in its stead.
            KeyringError::Locked => error
                .denial(&login.organization)
                .hint(format!("ac-cred login {} --store file", login.organization)),
            KeyringError::Absent(_)
            | KeyringError::Silent
            | KeyringError::Failed(_)
            | KeyringError::Damaged => no_store_chosen(&login.organization, &error),
        })
    });
    Finished::Placed(Box::new(Placed {
        login,
        reply,
        asked,
        keyring,
    }))
}

fn no_store_chosen(org: &Org, why: &KeyringError) -> Denial {
    Denial::new(
        ErrorCode::StoreUnreadable,
        format!(
            "{why}, so say where the credential shall rest: --store file keeps it encrypted under \
             a passphrase, --store command asks a password manager each time, --store memory keeps \
             it until the daemon stops"
        ),
    )
    .hint(format!("ac-cred login {org} --store file"))
}

/// Which passphrase a store wants before it takes a credential.
pub(crate) fn passphrase_need(stores: &CredentialStores, store: Store) -> PassphraseNeed {
    let file = stores.file();
    match store {
        Store::Memory | Store::Keyring | Store::Command => PassphraseNeed::Nothing,
        Store::File if file.opens_by_itself() => PassphraseNeed::Nothing,
        Store::File if file.exists() => PassphraseNeed::Existing,
        Store::File => PassphraseNeed::New,
    }
}

/// Whether a store takes a credential now; it may block.
///
/// # Errors
///
/// A [`Denial`] with the reason why it does not.
pub(crate) fn check_place(
    stores: &CredentialStores,
    org: &Org,
    store: Store,
) -> Result<(), Denial> {
    match store {
        Store::File if passphrase_need(stores, store) != PassphraseNeed::Nothing => Err(
            Denial::new(ErrorCode::Locked, "the encrypted file is locked").hint("ac-cred unlock"),
        ),
        Store::Keyring => {
            let checked = stores.keyring().check();
            checked.map_err(|error| error.denial(org))
        }
        Store::File | Store::Memory | Store::Command => Ok(()),
    }
}

/// Refuses a credential that no command has printed where only the command would be kept.
///
/// # Errors
///
/// A [`Denial`] with the words to type.
pub(crate) fn check_source(org: &Org, store: Store, command: Option<&Argv>) -> Result<(), Denial> {
    if store == Store::Command && command.is_none() {
        return Err(CommandError::NotSaid(org.clone()).into());
    }
    Ok(())
}

/// The refusal of a login that brings both.
pub(crate) fn two_sources() -> Denial {
    Denial::new(
        ErrorCode::Usage,
        "a credential is given or printed by a command, not both",
    )
}

/// What a caller is told whose deadline comes before a store has given the credential; nothing for
/// stores that do not keep anybody waiting.
pub(crate) fn silent(org: &Org, store: Store) -> Option<Denial> {
    let what = match store {
        Store::Keyring => "the keyring did not give",
        Store::Command => "its command did not print",
        Store::File | Store::Memory => return None,
    };
    let message = format!("{what} the credential of {org} in time; it may be waiting for a person");
    Some(Denial::new(ErrorCode::StoreUnreadable, message).hint("ac-cred status"))
}

/// Stores a record in another store than the one that it is in, and reads it back: the old copy is
/// not touched before the new one is sure.
///
/// # Errors
///
/// A [`Denial`]; the other store then holds nothing of it.
pub(crate) fn keep(tools: &Tools, store: Store, org: &Org, record: &Record) -> Result<(), Denial> {
    let credentials = tools.stores.of(store);
    let kept = credentials
        .save(org, record)
        .and_then(|()| credentials.keeps(org, record));
    match kept {
        Ok(true) => Ok(()),
        Ok(false) => {
            undo(tools, store, org);
            Err(StoreError::NotKept(store).into())
        }
        Err(error) => {
            undo(tools, store, org);
            Err(error.into())
        }
    }
}

/// Removes what a move has stored.
pub(crate) fn undo(tools: &Tools, store: Store, org: &Org) {
    if let Err(error) = tools.stores.of(store).remove(std::slice::from_ref(org)) {
        tracing::warn!(%org, %store, "a copy of a credential stays: {error}");
    }
}

/// What a person is told whose credential rests in two stores.
pub(crate) fn still_there(org: &Org, old: Store, error: StoreError) -> Denial {
    let denial = Denial::from(error);
    let message = format!(
        "the credential of {org} was moved, but its copy in the {old} stays: {}",
        denial.message
    );
    Denial { message, ..denial }
}
