//! The settings of Appcircle's own command line for one run: its file, and everybody else's beside
//! it as the user has them.
//!
//! Versions 1.1 to 2.7.3 look for `@appcircle/cli-nodejs/config.json` below `XDG_CONFIG_HOME`, or
//! else below `~/.config`, and for nothing in the environment (its sources, `config.ts`).

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ac_cred_proto::message::{Destination, Lease};
use ac_cred_proto::secret::{MAX_TOKEN_LENGTH, SessionToken};
use ac_cred_proto::{Denial, ErrorCode};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::appcircle_cli::{self, FILE, PROGRAM, VENDOR};

/// Enough for the file besides its token, so that no copy is left by a growing buffer.
const FILE_WITHOUT_TOKEN: usize = 4_096;

/// The file, from the directory of settings.
pub(super) fn file() -> PathBuf {
    [VENDOR, PROGRAM, FILE].iter().collect()
}

/// Makes a directory of settings in which all but the command line's are the user's own.
pub(super) fn lay_out(own: &Path) -> io::Result<()> {
    let vendor = own.join(VENDOR);
    fs::create_dir_all(vendor.join(PROGRAM))?;
    if let Some(users) = appcircle_cli::settings_directory() {
        link_all_but(VENDOR, &users, own)?;
        link_all_but(PROGRAM, &users.join(VENDOR), &vendor)?;
    }
    Ok(())
}

/// Links everything in a directory into another one; there may be nothing.
fn link_all_but(left_out: &str, from: &Path, into: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(from) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        if entry.file_name() != left_out {
            symlink(entry.path(), into.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// What the file holds.
pub(super) fn content(
    lease: &Lease,
    destination: &Destination,
) -> Result<Zeroizing<Vec<u8>>, Denial> {
    let settings = Settings {
        current: "ac-cred",
        environments: Environments {
            own: Environment {
                api: destination.api_url.trim_end_matches('/'),
                auth: destination.auth_url.trim_end_matches('/'),
                token: &lease.access_token,
            },
        },
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(FILE_WITHOUT_TOKEN + MAX_TOKEN_LENGTH));
    serde_json::to_writer(&mut *bytes, &settings).map_err(|_| {
        Denial::new(
            ErrorCode::Internal,
            "the settings of appcircle cannot be written as JSON",
        )
    })?;
    Ok(bytes)
}

#[derive(Serialize)]
struct Settings<'a> {
    current: &'static str,
    #[serde(rename = "envs")]
    environments: Environments<'a>,
}

#[derive(Serialize)]
struct Environments<'a> {
    #[serde(rename = "ac-cred")]
    own: Environment<'a>,
}

#[derive(Serialize)]
struct Environment<'a> {
    #[serde(rename = "API_HOSTNAME")]
    api: &'a str,
    #[serde(rename = "AUTH_HOSTNAME")]
    auth: &'a str,
    #[serde(rename = "AC_ACCESS_TOKEN")]
    token: &'a SessionToken,
}
