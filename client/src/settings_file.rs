//! The settings as the file has them, for commands that work without a daemon.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ac_cred_proto::settings::Settings;
use ac_cred_proto::{Denial, ErrorCode};

use crate::endpoint;

/// The most bytes of settings that are read: some ten thousand organizations take a quarter of it.
const MAX_LENGTH: u64 = 16 * 1_024 * 1_024;

/// Reads the settings file; a missing one holds nothing.
pub(crate) fn read() -> Result<Settings, Denial> {
    match path() {
        Some(path) => read_from(&path),
        None => Ok(Settings::default()),
    }
}

/// Where the settings file is, or would be; nowhere without a home.
pub(crate) fn path() -> Option<PathBuf> {
    Some(home()?.join(".config/ac-cred/config.toml"))
}

/// The home that the daemon uses as well; a service may have one that is not in the password
/// database.
pub(crate) fn home() -> Option<PathBuf> {
    let said = env::var_os("HOME").map(PathBuf::from);
    said.filter(|home| home.is_absolute())
        .or_else(endpoint::home)
}

fn read_from(path: &Path) -> Result<Settings, Denial> {
    let unreadable = |why: String| {
        let shown = path.display();
        Denial::new(ErrorCode::StoreUnreadable, format!("{shown}: {why}"))
    };
    #[cfg(unix)]
    if let Ok(found) = fs::metadata(path) {
        verify(path, &found)?;
    }
    let text = match bounded(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Settings::default()),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    Settings::parse(&text).map_err(|error| unreadable(error.to_string()))
}

/// Refuses a file that somebody else may have changed, as the daemon does: it steers where secrets
/// are sent.
#[cfg(unix)]
fn verify(path: &Path, found: &fs::Metadata) -> Result<(), Denial> {
    use std::os::unix::fs::MetadataExt as _;

    let shown = path.display();
    let unsafe_file = |why: &str| Denial::new(ErrorCode::UnsafeFiles, format!("{shown} {why}"));
    if found.uid() != endpoint::uid() {
        return Err(unsafe_file("belongs to somebody else").hint(format!("ls -l '{shown}'")));
    }
    if found.mode() & 0o022 != 0 {
        return Err(unsafe_file("is open to others").hint(format!("chmod 644 '{shown}'")));
    }
    Ok(())
}

fn bounded(path: &Path) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = String::new();
    File::open(path)?
        .take(MAX_LENGTH + 1)
        .read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MAX_LENGTH) {
        return Err(io::Error::other("longer than 16 MiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_holds_nothing_and_a_wrong_one_is_refused_with_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        assert_eq!(read_from(&path).unwrap(), Settings::default());
        fs::write(&path, "[organizations.acme]\nstore = \"shelf\"\n").unwrap();
        let denial = read_from(&path).unwrap_err();
        assert_eq!(denial.error, ErrorCode::StoreUnreadable);
        assert!(
            denial
                .message
                .starts_with(&format!("{}: line 2, column 9: ", path.display())),
            "{denial}"
        );
    }

    #[test]
    fn what_is_no_text_or_no_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        fs::write(&path, b"\xff").unwrap();
        assert!(read_from(&path).is_err());
        assert!(read_from(directory.path()).is_err());
    }
}
