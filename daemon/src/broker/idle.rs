//! Locking a daemon that nobody uses, where the settings say after how long.

use ac_cred_proto::Request;

use crate::broker::Broker;
use crate::broker::change::Change;
use crate::clock::Now;
use crate::policy::idle::Idle;
use crate::policy::{Moment, Span};

impl Broker {
    /// Notes what counts as a use: whoever wants something of the secrets, not who only looks.
    pub(crate) fn note_use(&mut self, request: &Request, now: Now) {
        let is_use = match request {
            Request::Get(_)
            | Request::Login(_)
            | Request::Reject(_)
            | Request::Unlock(_)
            | Request::Move(_)
            | Request::ChangePassphrase(_) => true,
            Request::Logout(_)
            | Request::Rename(_)
            | Request::Use(_)
            | Request::List(_)
            | Request::Status(_)
            | Request::Stop(_)
            | Request::Lock(_)
            | Request::Destination(_)
            | Request::Watch(_)
            | Request::Audit(_)
            | Request::Check(_)
            | Request::Restart(_) => false,
        };
        if is_use {
            self.idle = Idle::since(now.moment);
        }
    }

    /// When the daemon is to be locked, if nobody uses it until then.
    pub(crate) fn idle_end(&self) -> Option<Moment> {
        let is_shut = self.tools.stores.file().is_shut();
        self.idle.ends(self.lock_after()).filter(|_| !is_shut)
    }

    /// Locks a daemon that nobody has used for long enough; who still waits is using it.
    pub(crate) fn lock_if_idle(&mut self, now: Now) {
        if self.idle_end().is_none_or(|end| now.moment < end) {
            return;
        }
        if !(self.callers.is_empty() && self.logins.is_empty() && self.changing.is_empty()) {
            self.idle = Idle::since(now.moment);
            return;
        }
        tracing::info!("nobody has used the daemon for long enough");
        self.tools.stores.file().shut();
        self.change(Change::LockIdle);
    }

    fn lock_after(&self) -> Option<Span> {
        let settings = self.settings.settings().ok()?;
        settings
            .lock_after
            .map(|after| Span::seconds(after.seconds()))
    }
}
