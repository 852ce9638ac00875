//! Instructions of the hot path, counted by valgrind: they are the same on a busy machine and on an
//! idle one, so a regression shows.
//!
//! Only those of the program itself are counted, as a shared C library chooses its copying by the
//! processor. They differ with the compiler, so each count is kept with what built it, and compared
//! only where that is the same.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use ac_cred_proto::frame::Encoding;

use crate::load::{Kept, Question, throughput};
use crate::machine::first_line;
use crate::subject::{self, Subject};

/// Where the counts are kept.
const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.tsv");

const HEADING: &str = "# Instructions of the hot path and what built it; written by:\n\
                       # cargo run --release -p ac-cred-bench -- count --record\n";

/// How much more than the baseline is a regression.
const TOLERANCE_PERCENT: u64 = 5;

/// Requests that warm a daemon up, and those whose instructions are counted.
const WARM_UP: usize = 100;
const COUNTED: usize = 1_000;

/// One count and what built the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) name: String,
    pub(crate) instructions: u64,
    built_by: String,
}

/// Counts the client that `.ci/dist` has built, and the daemon's library.
pub(crate) fn all(client: &Path) -> io::Result<Vec<Count>> {
    let own = std::env::current_exe()?;
    let mut counts = vec![Count {
        name: "client, one get, whole process".to_owned(),
        instructions: client_count(client)?,
        built_by: builders(client)?,
    }];
    let warm = least(&[])?;
    let open = (1, Kept::Open);
    for (name, encoding, how) in [
        ("daemon, one get, held open, binary", Encoding::Binary, open),
        ("daemon, one get, held open, JSON", Encoding::Json, open),
        (
            "daemon, one get, one-shot, binary",
            Encoding::Binary,
            (1, Kept::OneShot),
        ),
    ] {
        let whole = least(&[(encoding, how)])?;
        counts.push(Count {
            name: name.to_owned(),
            instructions: whole.saturating_sub(warm) / u64::try_from(COUNTED).unwrap_or(1),
            built_by: builders(&own)?,
        });
    }
    Ok(counts)
}

/// Counts and compares, or keeps what was counted.
pub(crate) fn run(client: &Path, record: bool) -> io::Result<bool> {
    let counts = all(client)?;
    if record {
        fs::write(BASELINE, text(&counts))?;
    }
    let baseline = parse(&fs::read_to_string(BASELINE)?);
    let mut is_good = true;
    for count in &counts {
        let (line, good) = verdict(count, &baseline);
        crate::say(&line)?;
        is_good &= good;
    }
    Ok(is_good)
}

fn verdict(count: &Count, baseline: &[Count]) -> (String, bool) {
    let Count {
        name,
        instructions,
        built_by,
    } = count;
    let Some(kept) = baseline.iter().find(|kept| kept.name == *name) else {
        return (
            format!("{name}: {instructions}, which has no baseline"),
            false,
        );
    };
    let before = kept.instructions;
    let line = format!("{name}: {instructions} instructions, baseline {before}");
    if kept.built_by != *built_by {
        return (
            format!(
                "{line}: not compared, as that was built by {}, this by {built_by}",
                kept.built_by
            ),
            true,
        );
    }
    let most = before + before * TOLERANCE_PERCENT / 100;
    if *instructions > most {
        (
            format!("{line}: more than {TOLERANCE_PERCENT} % worse"),
            false,
        )
    } else if *instructions + before * TOLERANCE_PERCENT / 100 < before {
        (
            format!("{line}: better; keep it with 'count --record'"),
            true,
        )
    } else {
        (line, true)
    }
}

fn client_count(client: &Path) -> io::Result<u64> {
    let daemon = Subject::start(&[], 1)?;
    let org = subject::org(0)?;
    throughput(
        &daemon.socket(),
        &Question::get(&org, Encoding::Binary)?,
        (1, Kept::Open),
        1,
    )?;
    let out = Out::new()?;
    let status = Command::new("valgrind")
        .args(out.options())
        .arg(client)
        .args(["get", org.as_str()])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AC_CRED_SOCKET", daemon.socket())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()?;
    if !status.success() {
        return Err(io::Error::other("the client failed below valgrind"));
    }
    out.all()
}

/// The least of three counts, as a busy machine lets a daemon sleep and wake once more.
fn least(asked: &[(Encoding, (usize, Kept))]) -> io::Result<u64> {
    let counts = (0..3).map(|_| daemon_count(asked));
    let counts = counts.collect::<io::Result<Vec<u64>>>()?;
    Ok(counts.into_iter().min().unwrap_or(0))
}

/// The instructions of a daemon from its start to its end, with some requests in between.
fn daemon_count(asked: &[(Encoding, (usize, Kept))]) -> io::Result<u64> {
    let out = Out::new()?;
    let wrapper = [&["valgrind".to_owned()], out.options().as_slice()].concat();
    let mut daemon = Subject::start(&wrapper, 10)?;
    let org = subject::org(3)?;
    let warm = (Encoding::Binary, (1, Kept::Open), WARM_UP);
    let counted = asked
        .iter()
        .map(|&(encoding, how)| (encoding, how, COUNTED));
    for (encoding, how, requests) in [warm].into_iter().chain(counted) {
        throughput(
            &daemon.socket(),
            &Question::get(&org, encoding)?,
            how,
            requests,
        )?;
    }
    daemon.stop()?;
    out.total(&daemon.program())
}

/// Where valgrind writes what it counted.
struct Out(tempfile::TempDir);

impl Out {
    fn new() -> io::Result<Self> {
        tempfile::tempdir().map(Self)
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("callgrind.out")
    }

    fn options(&self) -> Vec<String> {
        vec![
            "--tool=callgrind".to_owned(),
            format!("--callgrind-out-file={}", self.file().display()),
            "--separate-threads=no".to_owned(),
        ]
    }

    /// What was counted in a process whose program is static, so that there is nothing else in it:
    /// valgrind takes only the section `.text` for the program's.
    fn all(&self) -> io::Result<u64> {
        let text = fs::read_to_string(self.file())?;
        whole(&text).ok_or_else(|| io::Error::other("valgrind counted nothing"))
    }

    /// What was counted in the program itself.
    fn total(&self, program: &Path) -> io::Result<u64> {
        let text = fs::read_to_string(self.file())?;
        match own(&text, &program.display().to_string()) {
            0 => Err(io::Error::other("valgrind counted nothing")),
            count => Ok(count),
        }
    }
}

/// All instructions in callgrind's output.
fn whole(text: &str) -> Option<u64> {
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))?;
    total.trim().parse().ok()
}

/// The instructions of one object, in callgrind's output: a line names the object, the lines of
/// costs after it are its, and the one after a call is that of what was called.
fn own(text: &str, object: &str) -> u64 {
    let (mut id, mut is_own, mut is_call, mut total) = (None, false, false, 0);
    for line in text.lines() {
        if let Some(named) = line.strip_prefix("ob=").or(line.strip_prefix("cob=")) {
            let (number, name) = named.split_once(' ').unwrap_or((named, ""));
            if name == object {
                id = Some(number);
            }
            if line.starts_with("ob=") {
                is_own = id == Some(number);
            }
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse().ok());
            if is_own && !is_call {
                total += cost.unwrap_or(0);
            }
            is_call = false;
        }
    }
    total
}

/// What built a program, as it says itself, and the machine's C library.
fn builders(program: &Path) -> io::Result<String> {
    let comment = Command::new("readelf")
        .args(["-p", ".comment"])
        .arg(program)
        .output()?;
    let comment = String::from_utf8_lossy(&comment.stdout).into_owned();
    let mut builders: Vec<String> = comment
        .lines()
        .filter_map(|line| {
            line.split_once("]  ")
                .map(|(_, text)| text.trim().to_owned())
        })
        .collect();
    builders.extend(first_line("getconf", &["GNU_LIBC_VERSION"]));
    Ok(builders.join(", "))
}

fn text(counts: &[Count]) -> String {
    let lines = counts.iter().map(|count| {
        format!(
            "{}\t{}\t{}\n",
            count.name, count.instructions, count.built_by
        )
    });
    [HEADING.to_owned()].into_iter().chain(lines).collect()
}

fn parse(text: &str) -> Vec<Count> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            Some(Count {
                name: fields.next()?.to_owned(),
                instructions: fields.next()?.parse().ok()?,
                built_by: fields.next()?.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(instructions: u64, built_by: &str) -> Count {
        Count {
            name: "a path".to_owned(),
            instructions,
            built_by: built_by.to_owned(),
        }
    }

    #[test]
    fn only_a_program_s_own_instructions_are_counted() {
        let text = "version: 1\nevents: Ir\n\nob=(1) /bin/own\nfn=(1) main\n7 10\n+2 5\n\
                    cob=(2) /lib/libc.so.6\ncfn=(2) memcpy\ncalls=1 0\n* 1000\n\n\
                    ob=(2)\nfn=(2)\n0 1000\n\nob=(1)\nfn=(3) rest\n-1 2\n\ntotals: 1017\n";
        assert_eq!(own(text, "/bin/own"), 17);
        assert_eq!(whole(text), Some(1017));
    }

    #[test]
    fn what_is_kept_is_what_was_counted() {
        let counts = [count(7, "one compiler, one library")];
        assert_eq!(parse(&text(&counts)), counts);
    }

    #[test]
    fn a_twentieth_more_is_a_regression_unless_something_else_built_it() {
        let baseline = [count(1_000, "this")];
        for (instructions, built_by, is_good, says) in [
            (1_000, "this", true, "baseline 1000"),
            (1_050, "this", true, "baseline 1000"),
            (1_051, "this", false, "more than 5 % worse"),
            (900, "this", true, "better"),
            (
                9_000,
                "that",
                true,
                "not compared, as that was built by this, this by that",
            ),
        ] {
            let (line, good) = verdict(&count(instructions, built_by), &baseline);
            assert_eq!(good, is_good, "{line}");
            assert!(line.contains(says), "{line}");
        }
        assert!(!verdict(&count(1, "this"), &[]).1);
    }
}
