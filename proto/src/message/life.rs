//! The daemon's own life: to end, to be locked, to be replaced.

use serde::{Deserialize, Serialize};

/// Ends the daemon.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {}

/// Drops every secret from memory.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Whether credentials that rest in memory only may be lost; refused where there are any and
    /// this is not said.
    #[serde(default)]
    pub forget_memory: bool,
}

/// Replaces the daemon by the program at its place.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {}
