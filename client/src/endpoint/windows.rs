//! The facts about this user on Windows, where the endpoint is a named pipe.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ac_cred_proto::endpoint::SOCKET_VARIABLE;
use ac_cred_proto::{Denial, WIRE_VERSION};

use crate::failure::no_daemon;

pub(super) fn near() -> Vec<PathBuf> {
    all().unwrap_or_default()
}

pub(super) fn all() -> Result<Vec<PathBuf>, Denial> {
    if let Some(said) = env::var_os(SOCKET_VARIABLE) {
        return Ok(vec![said.into()]);
    }
    let user = env::var("USERNAME")
        .map_err(|_| no_daemon(format!("USERNAME is not set; set {SOCKET_VARIABLE}")))?;
    Ok(vec![PathBuf::from(format!(
        r"\\.\pipe\ac-cred-v{WIRE_VERSION}-{user}"
    ))])
}

/// The pipe's own access list says who may enter.
#[expect(
    clippy::unnecessary_wraps,
    reason = "the directory of a Unix socket is refused here"
)]
pub(super) fn is_private(_path: &Path) -> Result<bool, Denial> {
    Ok(true)
}

pub(super) fn directory(_path: &Path) -> Option<PathBuf> {
    env::var_os("LOCALAPPDATA").map(|local| PathBuf::from(local).join("ac-cred"))
}

pub(super) fn user_name() -> Option<String> {
    env::var("USERNAME").ok()
}

pub(super) fn home() -> Option<PathBuf> {
    env::var_os("USERPROFILE").map(PathBuf::from)
}

pub(super) fn prepare(path: &Path) -> io::Result<()> {
    fs::create_dir_all(directory(path).ok_or(io::ErrorKind::NotFound)?)
}
