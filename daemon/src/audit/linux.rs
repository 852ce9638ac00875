//! The program of a process, and for `ac-cred` the one that ran it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// What a person runs between themselves and the daemon.
const CLIENT: &str = "ac-cred";

/// How many clients may have run each other.
const GENERATIONS: usize = 4;

/// The program of a process; where that is this client, of the process that ran it.
pub(super) fn program_behind(pid: u32) -> Option<String> {
    let (mut pid, mut program) =
        program_above_client(pid).or_else(|| Some((pid, program(pid)?)))?;
    for _ in 0..GENERATIONS {
        if !is_client(&program) {
            break;
        }
        let Some((_, parent)) = name_and_parent(pid) else {
            break;
        };
        let Some(above) = self::program(parent) else {
            break;
        };
        (pid, program) = (parent, above);
    }
    Some(program.display().to_string())
}

/// The process that ran a client, and its program. By its name a client is known without a look at
/// its program, which would cost the caller most of the time that this takes.
fn program_above_client(pid: u32) -> Option<(u32, PathBuf)> {
    let (_, parent) = name_and_parent(pid).filter(|(name, _)| name == CLIENT)?;
    Some((parent, program(parent)?))
}

/// The path of a program; its bare name where the process keeps others from looking.
fn program(pid: u32) -> Option<PathBuf> {
    let place = Path::new("/proc").join(pid.to_string());
    fs::read_link(place.join("exe")).ok().or_else(|| {
        let name = fs::read_to_string(place.join("comm")).ok()?;
        Some(PathBuf::from(name.trim_end()))
    })
}

fn is_client(program: &Path) -> bool {
    let name = program.file_name().and_then(|name| name.to_str());
    // One that was replaced by another version is named so by the system.
    name.is_some_and(|name| name == CLIENT || name.strip_suffix(" (deleted)") == Some(CLIENT))
}

/// The name of a process, and the process that ran it.
fn name_and_parent(pid: u32) -> Option<(String, u32)> {
    // One read brings the beginning, which is all that is wanted.
    let mut beginning = [0; 256];
    let mut file = fs::File::open(format!("/proc/{pid}/stat")).ok()?;
    let length = file.read(&mut beginning).ok()?;
    let text = String::from_utf8_lossy(beginning.get(..length)?);
    // The name may hold anything, a parenthesis too.
    let (before, behind_name) = text.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let parent = behind_name.split_whitespace().nth(1)?.parse().ok()?;
    (parent != 0).then(|| (name.to_owned(), parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_by_its_program() {
        let own = std::env::current_exe().unwrap();
        let told = program_behind(std::process::id());
        assert_eq!(told, Some(own.display().to_string()));
        assert_eq!(program_behind(u32::MAX), None);
    }

    #[test]
    fn a_parent_is_found_whatever_the_name() {
        let parent = |pid| name_and_parent(pid).map(|(_, parent)| parent);
        let own = std::process::id();
        assert_eq!(parent(own), Some(std::os::unix::process::parent_id()));
        assert_eq!(parent(1), None);
    }

    #[test]
    fn only_the_client_is_looked_behind() {
        for (path, is) in [
            ("/usr/bin/ac-cred", true),
            ("/usr/bin/ac-cred (deleted)", true),
            ("/usr/bin/ac-credd", false),
            ("/usr/bin/bash", false),
        ] {
            assert_eq!(is_client(Path::new(path)), is, "{path}");
        }
    }
}
