//! What a slot is told, and what it says.

use ac_cred_proto::message::{LastExchange, Outcome, Warning};
use ac_cred_proto::secret::SessionToken;
use ac_cred_proto::time::Timestamp;
use ac_cred_proto::{Denial, ErrorCode};
use serde::{Deserialize, Serialize};

use crate::policy::{Moment, Span, freshness};

/// A caller that waits, by the number its owner gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// The stamp of one exchange; no two exchanges have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Attempt(pub u64);

/// What an exchange brought.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The token.
    pub token: SessionToken,
    /// The organization that the token names.
    pub organization_id: Option<Box<str>>,
    /// Its life at receipt.
    pub life: Span,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Why an exchange brought nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// Another try may help, after the pause that the server asked for.
    Transient(Denial, Option<Span>),
    /// The credential was refused: it is not tried again by itself.
    Refused(Denial),
    /// Nothing was sent: something here stood in the way.
    Here(Denial),
}

impl Failure {
    /// What a caller is told.
    #[must_use]
    pub fn denial(&self) -> &Denial {
        match self {
            Self::Transient(denial, _) | Self::Refused(denial) | Self::Here(denial) => denial,
        }
    }
}

/// The token that a caller can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// One with a life that is safe to begin with; less when no better one can be had.
    Wish,
    /// One with at least this life.
    Life(Span),
    /// One that is newer than the call, with at least this life.
    New(Span),
    /// One other than that which the API refused.
    Other,
}

/// One who asks, and until when an answer is of use.
#[derive(Clone, Copy, Debug)]
pub struct Caller {
    /// Its number.
    pub ticket: Ticket,
    /// What it needs.
    pub need: Need,
    /// When it has to be answered.
    pub deadline: Moment,
    /// When it asked: now, or earlier where it has waited in another daemon.
    pub asked: Moment,
}

/// A token that is held.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The token.
    pub token: SessionToken,
    /// The organization that it names.
    pub organization_id: Option<Box<str>>,
    /// When it ends, for people and programs.
    pub expires_at: Timestamp,
    pub(super) expires: Moment,
    pub(super) life: Span,
}

impl Held {
    /// The life it has left.
    #[must_use]
    pub fn left(&self, now: Moment) -> Span {
        now.until(self.expires)
    }

    /// Whether so little of its life is left that it should be renewed.
    #[must_use]
    pub fn is_stale(&self, now: Moment) -> bool {
        freshness::is_stale(self.left(now), self.life)
    }

    /// When it becomes stale, and when it ends.
    #[must_use]
    pub fn ages(&self) -> [Moment; 2] {
        let stale = self.expires.before(freshness::stale_life(self.life));
        [stale, self.expires]
    }

    /// The life it had when it came.
    #[must_use]
    pub fn life(&self) -> Span {
        self.life
    }
}

/// How an exchange ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// When it ended.
    pub at: Timestamp,
    /// Why it gave no token, when it gave none.
    pub error: Option<Box<Denial>>,
}

impl Ended {
    /// The same, as a status tells it.
    #[must_use]
    pub fn told(&self) -> LastExchange {
        let error = self.error.as_ref();
        LastExchange {
            at: self.at,
            outcome: error.map_or(Outcome::Ok, |error| Outcome::Failed(error.error)),
        }
    }
}

/// What to do for a caller.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Hand out the held token.
    Serve(Option<Warning>),
    /// Refuse.
    Deny(Denial),
    /// It is answered later.
    Wait,
}

/// What an event brought about: who is to be answered how.
#[derive(Debug, Default)]
pub struct Answers(pub Vec<(Ticket, Decision)>);

/// What becomes of one who has waited for a token of this life.
pub(super) fn newly_held(need: Need, life: Span) -> Decision {
    match need {
        Need::Life(demanded) | Need::New(demanded) if demanded > life => {
            Decision::Deny(too_short(demanded, life))
        }
        Need::Life(_) | Need::New(_) | Need::Wish | Need::Other => Decision::Serve(None),
    }
}

/// What one who gets a token is told of the refusal that stands.
pub(super) fn warning_for(refused: &Denial) -> Option<Warning> {
    (refused.error == ErrorCode::CredentialRefused).then_some(Warning::CredentialRefused)
}

/// The refusal of a life that tokens do not have.
pub(super) fn too_short(demanded: Span, life: Span) -> Denial {
    Denial::new(
        ErrorCode::TokenTooShort,
        format!(
            "the Auth API's tokens live {} seconds, {} were demanded",
            life.whole_seconds(),
            demanded.whole_seconds()
        ),
    )
}
