//! Whether the daemon goes on, ends, or has been succeeded.

use crate::handover::Relay;

/// What every part of the daemon is to do.
#[derive(Clone, Debug, Default)]
pub enum Course {
    /// Go on.
    #[default]
    On,
    /// Give the answers under way, and end.
    Ending,
    /// Hand what is open to the successor, and end.
    Moved(Relay),
}

impl Course {
    /// Whether nothing new is begun any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !matches!(self, Self::On)
    }

    /// The way to the successor.
    #[must_use]
    pub fn relay(&self) -> Option<&Relay> {
        match self {
            Self::Moved(relay) => Some(relay),
            Self::On | Self::Ending => None,
        }
    }

    /// Sets the daemon on its way to its end, where a successor has not taken over.
    pub fn end(&mut self) -> bool {
        let goes_on = matches!(self, Self::On);
        if goes_on {
            *self = Self::Ending;
        }
        goes_on
    }
}
