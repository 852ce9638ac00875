//! How long the daemon may be left alone, as people write it.

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time without use, such as `30m`: whole seconds, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockAfter(u64);

impl LockAfter {
    /// The time in seconds.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0
    }
}

impl Serialize for LockAfter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(Duration::from_secs(self.0)))
    }
}

impl<'de> Deserialize<'de> for LockAfter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text)
            .ok()
            .map(|duration| Self(duration.as_secs()))
            .filter(|after| after.0 > 0)
            .ok_or_else(|| D::Error::custom("not a time such as 30m or 8h"))
    }
}
