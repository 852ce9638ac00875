//! The command that prints a credential: its words as they were typed, its program where it is.
//!
//! No message repeats a word: one may be a secret that was typed into the wrong place.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{self, Path, PathBuf};

use ac_cred_proto::argv::Argv;
use ac_cred_proto::settings::Store;
use ac_cred_proto::{Denial, Org};

use crate::failure::usage;

/// The command behind `--`, which goes with the store that runs it and with no other.
pub(crate) fn said(words: &[OsString], store: Option<Store>) -> Result<Option<Argv>, Denial> {
    let Some((program, arguments)) = words.split_first() else {
        return Ok(None);
    };
    if store != Some(Store::Command) {
        return Err(usage(
            "a program behind -- goes with the store called command",
        ));
    }
    let program = located(program, env::var_os("PATH"))?;
    let text = |word: &OsStr| word.to_str().map(str::to_owned);
    let words: Option<Vec<String>> = [program.as_os_str()]
        .into_iter()
        .chain(arguments.iter().map(OsString::as_os_str))
        .map(text)
        .collect();
    let words = words.ok_or_else(|| usage("the command is not UTF-8"))?;
    Argv::new(words.iter().map(String::as_str))
        .map(Some)
        .map_err(|error| usage(format!("the command cannot be used: {error}")))
}

/// The refusal of a login that needs a command and brings none.
pub(crate) fn missing(organization: &Org) -> Denial {
    usage("the command that prints the credential is missing").hint(format!(
        "ac-cred login {organization} --store command -- PROGRAM ..."
    ))
}

/// Where a program is now: the daemon has another search path, and none that a shell can change.
fn located(program: &OsStr, search: Option<OsString>) -> Result<PathBuf, Denial> {
    let is_path = Path::new(program).components().count() > 1;
    let found = if is_path {
        path::absolute(program).ok().filter(|path| is_program(path))
    } else {
        env::split_paths(&search.unwrap_or_default())
            .filter(|directory| directory.is_absolute())
            .flat_map(|directory| candidates(&directory.join(program)))
            .find(|path| is_program(path))
    };
    found.ok_or_else(|| usage("the program behind -- cannot be found"))
}

#[cfg(unix)]
fn candidates(path: &Path) -> [PathBuf; 1] {
    [path.to_owned()]
}

#[cfg(windows)]
fn candidates(path: &Path) -> [PathBuf; 2] {
    [path.to_owned(), path.with_extension("exe")]
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;

    let found = path.metadata();
    found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(windows)]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn a_program_is_found_where_the_shell_would_find_it() {
        let found = |search: &str| located(OsStr::new("sh"), Some(search.into()));
        assert_eq!(found("/nonexistent:/bin").unwrap(), Path::new("/bin/sh"));
        for search in ["", ".", "bin", "/nonexistent"] {
            assert!(found(search).is_err(), "{search}");
        }
        let known = located(OsStr::new("/bin/sh"), None).unwrap();
        assert_eq!(known, Path::new("/bin/sh"));
        assert!(located(OsStr::new("/etc/passwd"), None).is_err());
    }

    #[test]
    fn a_command_goes_with_its_store_and_is_not_repeated_when_it_is_wrong() {
        assert_eq!(said(&[], None).unwrap(), None);
        let argv = said(&words(&["/bin/sh", "-c", "echo x"]), Some(Store::Command));
        assert_eq!(argv.unwrap().unwrap().program(), "/bin/sh");
        for (wrong, store) in [
            (&["marker-key"][..], None),
            (&["marker-key"], Some(Store::Keyring)),
            (&["marker-key"], Some(Store::Command)),
            (&["/bin/sh", "marker\nkey"], Some(Store::Command)),
        ] {
            let refused = said(&words(wrong), store).unwrap_err().to_string();
            assert!(!refused.contains("marker"), "{refused}");
        }
    }
}
