//! Where the daemon of this user and this wire version listens: decisions only, from facts that the
//! caller looks up.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::WIRE_VERSION;
use crate::denial::{Denial, ErrorCode};

/// The environment variable that names the endpoint.
pub const SOCKET_VARIABLE: &str = "AC_CRED_SOCKET";

/// The directory that holds the endpoint and the lock beside it.
const DIRECTORY_NAME: &str = "ac-cred";

/// What the caller knows or can look up about this user on this system.
pub struct Facts<'a> {
    /// The user's id.
    pub uid: u32,
    /// What [`SOCKET_VARIABLE`] says.
    pub socket_variable: Option<OsString>,
    /// The owner of a directory, where one is at that path.
    pub directory_owner: &'a dyn Fn(&Path) -> Option<u32>,
    /// The per-user temporary directory of the system, where it has one.
    pub temporary_directory: &'a dyn Fn() -> Option<PathBuf>,
    /// The home of the password database.
    pub home: &'a dyn Fn() -> Option<PathBuf>,
}

/// What the agent of launchd calls its socket.
pub const LAUNCHD_SOCKET: &str = "ac-cred";

/// The name of the endpoint within its directory.
#[must_use]
pub fn socket_name() -> String {
    format!("v{WIRE_VERSION}.sock")
}

/// The file in which a daemon that listens at `socket` keeps what it says, where nobody else does.
#[must_use]
pub fn log_path(socket: &Path) -> PathBuf {
    beside(socket, ".log")
}

/// The file in which the lines are that were said before those in [`log_path`].
#[must_use]
pub fn old_log_path(socket: &Path) -> PathBuf {
    beside(socket, ".log.old")
}

fn beside(socket: &Path, ending: &str) -> PathBuf {
    let mut path = socket.as_os_str().to_owned();
    path.push(ending);
    PathBuf::from(path)
}

/// The paths at which the daemon may listen, the best first; at least one.
///
/// # Errors
///
/// A [`Denial`] when there is no place for an endpoint, or [`SOCKET_VARIABLE`] holds no absolute path.
pub fn candidates(facts: &Facts<'_>) -> Result<Vec<PathBuf>, Denial> {
    if let Some(said) = &facts.socket_variable {
        let path = PathBuf::from(said);
        return if path.is_absolute() && path.file_name().is_some() {
            Ok(vec![path])
        } else {
            Err(not_absolute())
        };
    }
    let runtime = PathBuf::from(format!("/run/user/{}", facts.uid));
    let runtime = ((facts.directory_owner)(&runtime) == Some(facts.uid)).then_some(runtime);
    let state = || {
        (facts.home)()
            .filter(|home| home.is_absolute())
            .map(|home| home.join(".local/state"))
    };
    let found: Vec<PathBuf> = runtime
        .into_iter()
        .chain((facts.temporary_directory)())
        .chain(state())
        .map(|parent| parent.join(DIRECTORY_NAME).join(socket_name()))
        .collect();
    if found.is_empty() {
        Err(nowhere(facts.uid))
    } else {
        Ok(found)
    }
}

fn not_absolute() -> Denial {
    Denial::new(
        ErrorCode::DaemonUnreachable,
        format!("{SOCKET_VARIABLE} is not an absolute path of a socket"),
    )
}

fn nowhere(uid: u32) -> Denial {
    Denial::new(
        ErrorCode::DaemonUnreachable,
        format!(
            "there is no place for the daemon's socket: no /run/user/{uid} and no home directory; \
             set {SOCKET_VARIABLE} to a path in a directory that only you can enter"
        ),
    )
}

/// What was seen at the path of the endpoint's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryFacts {
    /// Whether it is a directory itself, not a link to one.
    pub is_directory: bool,
    /// The id of its owner.
    pub owner: u32,
    /// Its permission bits.
    pub mode: u32,
}

/// Whether the endpoint's directory is one that only the user can enter.
///
/// # Errors
///
/// A [`Denial`] that says what is wrong and which command mends it; nothing is mended unasked.
pub fn verify_directory(path: &Path, facts: DirectoryFacts, uid: u32) -> Result<(), Denial> {
    let shown = path.display();
    let denial = |why: String| Denial::new(ErrorCode::UnsafeFiles, why);
    if !facts.is_directory {
        return Err(denial(format!("{shown} is not a directory")).hint(format!("ls -ld '{shown}'")));
    }
    if facts.owner != uid {
        return Err(denial(format!(
            "{shown} belongs to user id {}, not to you",
            facts.owner
        ))
        .hint(format!("ls -ld '{shown}'")));
    }
    if facts.mode & 0o077 != 0 {
        return Err(denial(format!(
            "others can enter {shown} (mode {:04o})",
            facts.mode & 0o7777
        ))
        .hint(format!("chmod 700 '{shown}'")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(
        socket: Option<&str>,
        runtime_owner: Option<u32>,
        home: Option<&str>,
    ) -> Result<Vec<PathBuf>, Denial> {
        candidates(&Facts {
            uid: 1000,
            socket_variable: socket.map(OsString::from),
            directory_owner: &|path| runtime_owner.filter(|_| path == Path::new("/run/user/1000")),
            temporary_directory: &|| None,
            home: &|| home.map(PathBuf::from),
        })
    }

    #[test]
    fn the_variable_then_the_runtime_directory_then_the_home_is_tried() {
        let run = PathBuf::from("/run/user/1000/ac-cred/v1.sock");
        let home = PathBuf::from("/home/me/.local/state/ac-cred/v1.sock");
        assert_eq!(
            found(Some("/x/s"), Some(1000), Some("/home/me")).unwrap(),
            [PathBuf::from("/x/s")]
        );
        assert_eq!(
            found(None, Some(1000), Some("/home/me")).unwrap(),
            [run.clone(), home.clone()]
        );
        assert_eq!(found(None, Some(1000), None).unwrap(), [run]);
        assert_eq!(found(None, None, Some("/home/me")).unwrap(), [home]);
    }

    #[test]
    fn a_runtime_directory_of_somebody_else_is_passed_over() {
        let only_home = found(None, Some(0), Some("/home/me")).unwrap();
        assert_eq!(
            only_home,
            [PathBuf::from("/home/me/.local/state/ac-cred/v1.sock")]
        );
    }

    #[test]
    fn where_there_is_no_place_the_variable_is_named() {
        let denial = found(None, None, None).unwrap_err();
        assert_eq!(denial.error, ErrorCode::DaemonUnreachable);
        assert!(denial.message.contains(SOCKET_VARIABLE), "{denial}");
        assert!(found(None, None, Some("relative")).is_err());
    }

    #[test]
    fn a_relative_variable_is_refused() {
        assert!(found(Some("s"), Some(1000), None).is_err());
        assert!(found(Some(""), Some(1000), None).is_err());
        assert!(found(Some("/"), Some(1000), None).is_err());
    }

    #[test]
    fn the_directory_is_private_or_refused_with_the_command_that_mends_it() {
        let private = DirectoryFacts {
            is_directory: true,
            owner: 1000,
            mode: 0o40700,
        };
        let path = Path::new("/x/ac-cred");
        assert!(verify_directory(path, private, 1000).is_ok());
        for wrong in [
            DirectoryFacts {
                is_directory: false,
                ..private
            },
            DirectoryFacts {
                owner: 0,
                ..private
            },
            DirectoryFacts {
                mode: 0o40755,
                ..private
            },
            DirectoryFacts {
                mode: 0o40710,
                ..private
            },
            DirectoryFacts {
                mode: 0o40701,
                ..private
            },
        ] {
            let denial = verify_directory(path, wrong, 1000).unwrap_err();
            assert_eq!(denial.error, ErrorCode::UnsafeFiles);
            assert!(denial.hint.is_some(), "{denial}");
        }
    }
}
