//! The organizations that are being changed: what is written of them is not yet what the broker knows.

use ac_cred_proto::Org;

use crate::broker::change::{Change, organizations};

/// Those whose change is being written; once for each change.
#[derive(Debug, Default)]
pub(crate) struct Changing {
    all: Vec<Org>,
    /// Those of them whose alias is changed, by the old and the new one.
    aliases: Vec<Org>,
}

impl Changing {
    pub(crate) fn begin(&mut self, change: &Change) {
        self.all.extend(organizations(change));
        if let Change::Rename(..) = change {
            self.aliases.extend(organizations(change));
        }
    }

    pub(crate) fn end(&mut self, change: &Change) {
        for org in organizations(change) {
            take_one(&mut self.all, &org);
            if let Change::Rename(..) = change {
                take_one(&mut self.aliases, &org);
            }
        }
    }

    /// Lets go of all, as it cannot be told whose change was lost.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn contains(&self, org: &Org) -> bool {
        self.all.contains(org)
    }

    /// Whether an organization may have another alias in a moment.
    pub(crate) fn changes_alias(&self, org: &Org) -> bool {
        self.aliases.contains(org)
    }
}

fn take_one(orgs: &mut Vec<Org>, org: &Org) {
    if let Some(at) = orgs.iter().position(|other| other == org) {
        orgs.swap_remove(at);
    }
}
