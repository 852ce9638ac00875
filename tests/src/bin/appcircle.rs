//! Stands in for Appcircle's own command line, `@appcircle/cli`: it looks for its settings where
//! versions 1.1 to 2.7.3 do, reads them as those do, and takes nothing else from its environment.

use std::{
    env, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use ac_cred_tests::https;
use serde_json::Value;

fn main() -> ExitCode {
    let (status, code) = match list_profiles() {
        Ok(status) => (status.to_string(), ExitCode::from(u8::from(status != 200))),
        Err(error) => (error.to_string(), ExitCode::FAILURE),
    };
    // Nobody may be reading.
    writeln!(io::stdout(), "{status}").ok();
    code
}

/// What the API answers to the token of the settings.
fn list_profiles() -> io::Result<u16> {
    let settings: Value = serde_json::from_slice(&fs::read(settings_path()?)?)?;
    let of_current = |key: &str| {
        let current = settings["current"].as_str().unwrap_or_default();
        let value = settings["envs"][current][key].as_str();
        value.map(str::to_owned).ok_or(io::ErrorKind::InvalidData)
    };
    of_current("AUTH_HOSTNAME")?;
    let authorization = format!("Bearer {}", of_current("AC_ACCESS_TOKEN")?);
    let url = format!("{}/build/v2/profiles", of_current("API_HOSTNAME")?);
    // Node trusts these besides its own.
    let authorities = env::var_os("NODE_EXTRA_CA_CERTS").map(fs::read_to_string);
    let answer = https::get(
        &url,
        authorities.transpose()?.as_deref(),
        &[("Authorization", &authorization)],
    );
    Ok(answer?.status)
}

/// `conf` with the project's name `@appcircle/cli` and the suffix that it adds.
fn settings_path() -> io::Result<PathBuf> {
    let home = || env::var_os("HOME").map(|home| Path::new(&home).join(".config"));
    let directory = env::var_os("XDG_CONFIG_HOME")
        .filter(|directory| !directory.is_empty())
        .map(PathBuf::from)
        .or_else(home)
        .ok_or(io::ErrorKind::NotFound)?;
    Ok(directory.join("@appcircle/cli-nodejs/config.json"))
}
