//! A rename: between store and settings there is always one name under which a credential serves.
//!
//! The credential rests under both names before the settings go over to the new one, and the old
//! copy is removed after that; a note tells whoever comes after a crash to end it.

use ac_cred_proto::message::Rename;
use ac_cred_proto::settings::Store;
use ac_cred_proto::{Denial, ErrorCode, Org};

use crate::broker::change::Change;
use crate::broker::job::Tools;
use crate::broker::{Broker, Reply, deny};
use crate::clock::Now;
use crate::credential_store::rename_note::{Held, Renaming};
use crate::private_file;
use crate::settings_file::SettingsFile;

impl Broker {
    pub(crate) fn rename(&mut self, rename: Rename, reply: Reply) {
        let found = self.settings.settings().and_then(|settings| {
            let known = settings
                .organizations
                .get(&rename.old)
                .ok_or_else(|| settings.unknown(&rename.old))?;
            if settings.organizations.contains_key(&rename.new) {
                return Err(Denial::new(
                    ErrorCode::Usage,
                    format!("there is already an organization {}", rename.new),
                ));
            }
            Ok(known.store)
        });
        let busy = [&rename.old, &rename.new]
            .into_iter()
            .find(|org| self.logins.contains_key(*org) || self.changing.contains(org));
        let found = found.and_then(|store| match busy {
            Some(org) => Err(being_changed(org)),
            None => Ok(store),
        });
        match found {
            Ok(store) => {
                let Rename { old, new } = rename;
                self.change(Change::Rename(Renaming { old, new, store }, reply));
            }
            Err(denial) => deny(reply, denial),
        }
    }

    /// Refuses what goes by an alias that is being changed: a logout would miss the organization, and
    /// a login bring the old alias back.
    pub(crate) fn aliases_stay<'a>(
        &self,
        orgs: impl IntoIterator<Item = Option<&'a Org>>,
    ) -> Result<(), Denial> {
        let mut named = orgs.into_iter().flatten();
        let changed = named.find(|org| self.changing.changes_alias(org));
        changed.map_or(Ok(()), |org| Err(being_changed(org)))
    }

    /// Ends a rename that was cut short, where one was.
    pub(crate) fn mend(&mut self) {
        if self.tools.stores.rename_note().exists() {
            self.change(Change::Mend);
        }
    }

    /// Moves a token and those who wait for it to the new alias.
    pub(crate) fn renamed(&mut self, old: &Org, new: &Org, now: Now) {
        if let Some(slot) = self.slots.remove(old)
            && let Some(mut displaced) = self.slots.insert(new.clone(), slot)
        {
            let answers = displaced.forget(&being_changed(new), now.moment);
            self.give(new, answers, now);
        }
        for org in self.attempts.values_mut().filter(|org| *org == old) {
            new.clone_into(org);
        }
        self.tell_gone(old);
        self.tell_renewed(new, now);
        self.attend(new, now);
    }
}

fn being_changed(org: &Org) -> Denial {
    Denial::new(
        ErrorCode::Busy,
        format!("{org} is being changed by another call"),
    )
}

/// Writes a rename; `write_settings` has the settings go over to the new name.
///
/// # Errors
///
/// A [`Denial`]; the credential then serves under the name that the settings have.
pub(crate) fn write<T>(
    tools: &Tools,
    renaming: &Renaming,
    write_settings: impl FnOnce() -> Result<T, Denial>,
) -> Result<T, Denial> {
    let Renaming { old, new, store } = renaming;
    let credentials = tools.stores.of(*store);
    if *store == Store::Memory {
        // What is cut short there is gone with the daemon.
        credentials.copy(old, new)?;
        let written = write_settings();
        let left = if written.is_ok() { old } else { new };
        credentials.remove(std::slice::from_ref(left))?;
        return written;
    }
    let note = tools.stores.rename_note().hold()?;
    mend_held(tools, &note)?;
    note.write(renaming)?;
    let copied = credentials.copy(old, new).map_err(Denial::from);
    let written = copied.and_then(|()| write_settings());
    if let Err(denial) = mend_held(tools, &note) {
        tracing::warn!(%old, %new, "a copy of a credential stays: {}", denial.message);
    }
    written
}

/// Ends a rename that was cut short: the copy goes that the settings do not lead to.
///
/// # Errors
///
/// A [`Denial`]; what could not be ended stays noted.
pub(crate) fn mend(tools: &Tools) -> Result<(), Denial> {
    let note = tools.stores.rename_note();
    if note.exists() {
        mend_held(tools, &note.hold()?)?;
    }
    Ok(())
}

fn mend_held(tools: &Tools, note: &Held<'_>) -> Result<(), Denial> {
    let Some(Renaming { old, new, store }) = note.read()? else {
        return Ok(());
    };
    let settings = SettingsFile::open(tools.settings_path.to_path_buf());
    let settings = settings.settings()?;
    let rests_as = |org: &Org| {
        let known = settings.organizations.get(org);
        known.is_some_and(|known| known.store == store)
    };
    let left = match (rests_as(&old), rests_as(&new)) {
        (true, false) => Some(new),
        (false, true) => Some(old),
        // A person has changed the settings since: nothing tells which of the copies is not wanted.
        (true, true) | (false, false) => None,
    };
    if let Some(left) = left {
        // Settings that were not flushed could still lose the name that they have now.
        private_file::flush_parent(&tools.settings_path)?;
        tools.stores.of(store).remove(&[left])?;
    }
    Ok(note.clear()?)
}
