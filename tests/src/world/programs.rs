//! The programs under test, built before they are used.

use std::{
    env,
    io::{self, IsTerminal},
    path::{self, Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// The variable that names a directory with programs that are built already.
const GIVEN: &str = "AC_CRED_BIN_DIR";

/// What cargo tells a program about its own package; it would make build scripts below start anew.
const OF_THIS_PACKAGE: [&str; 8] = [
    "CARGO_BIN_",
    "CARGO_CRATE_",
    "CARGO_MANIFEST_",
    "CARGO_PKG_",
    "CARGO_PRIMARY_",
    "CARGO_RUSTC_",
    "CARGO_TARGET_TMPDIR",
    "OUT_DIR",
];

/// The directory of `ac-cred`, `ac-credd` and `ac-cred-mcp`, which are built once by this process.
pub(super) fn directory() -> io::Result<&'static Path> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| given_or_built().map_err(|error| error.to_string()))
        .as_deref()
        .map_err(|error| io::Error::other(error.as_str()))
}

fn given_or_built() -> io::Result<PathBuf> {
    match env::var_os(GIVEN) {
        Some(given) => path::absolute(given),
        None => build(),
    }
}

/// Builds beside the program that runs; cargo's own lock lets one of several builds go on at a time.
fn build() -> io::Result<PathBuf> {
    let place = Place::of_this_program()?;
    let mut cargo = cargo("build")?;
    cargo.args(["-p", "ac-cred", "-p", "ac-credd", "-p", "ac-cred-mcp"]);
    // A person sees how far it is; a log wants to know of failures only.
    if io::stderr().is_terminal() {
        cargo.stderr(Stdio::inherit());
    } else {
        cargo.stderr(Stdio::piped()).arg("--quiet");
    }
    let output = cargo.spawn()?.wait_with_output()?;
    if output.status.success() {
        Ok(place.directory)
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!(
            "the programs cannot be built\n{said}"
        )))
    }
}

/// A command of cargo in the workspace, with the target directory and the profile of the program
/// that runs.
///
/// # Errors
/// If the program runs elsewhere than where cargo has built it.
pub fn cargo(command: &str) -> io::Result<Command> {
    let place = Place::of_this_program()?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args([command, "--profile", &place.profile])
        .arg("--target-dir")
        .arg(&place.target)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if OF_THIS_PACKAGE.iter().any(|own| text.starts_with(own)) {
            cargo.env_remove(&name);
        }
    }
    Ok(cargo)
}

/// Where a program of this workspace was built.
struct Place {
    /// The target directory.
    target: PathBuf,
    /// What cargo calls the profile.
    profile: String,
    /// Where the profile's programs are.
    directory: PathBuf,
}

impl Place {
    fn of_this_program() -> io::Result<Self> {
        Self::of(&env::current_exe()?).ok_or_else(|| {
            io::Error::other(format!(
                "a test runs elsewhere than in cargo's target directory; set {GIVEN}"
            ))
        })
    }

    /// Tests are in `TARGET/PROFILE/deps`, programs in `TARGET/PROFILE`.
    fn of(program: &Path) -> Option<Self> {
        let parent = program.parent()?;
        let directory = if parent.ends_with("deps") || parent.ends_with("examples") {
            parent.parent()?
        } else {
            parent
        };
        let profile = match directory.file_name()?.to_str()? {
            "debug" => "dev",
            other => other,
        };
        Some(Self {
            target: directory.parent()?.to_owned(),
            profile: profile.to_owned(),
            directory: directory.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_built_beside_the_one_that_runs() {
        for (program, target, profile, directory) in [
            ("/t/debug/deps/login-1", "/t", "dev", "/t/debug"),
            ("/t/debug/demo", "/t", "dev", "/t/debug"),
            ("/t/release/deps/x", "/t", "release", "/t/release"),
            (
                "/t/a-triple/debug/demo",
                "/t/a-triple",
                "dev",
                "/t/a-triple/debug",
            ),
        ] {
            let place = Place::of(Path::new(program)).unwrap();
            assert_eq!(place.target, Path::new(target), "{program}");
            assert_eq!(place.profile, profile, "{program}");
            assert_eq!(place.directory, Path::new(directory), "{program}");
        }
        assert!(Place::of(Path::new("/demo")).is_none());
    }
}
