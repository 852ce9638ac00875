//! The machine in words, and how quiet it was.

use std::fs;
use std::hint::black_box;
use std::process::Command;

use crate::sample::{Sample, timed};

/// How often the same work is timed to see how much else goes on.
const PROBES: usize = 300;

/// Steps of the work that is timed: a few hundred microseconds of computing.
const STEPS: u64 = 200_000;

/// What is running this: system, processor, cores, compiler.
pub(crate) fn in_words() -> String {
    let system = value("/etc/os-release", "PRETTY_NAME=").unwrap_or_else(|| "Linux".to_owned());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // What a builder adds to the version says nothing here.
    let kernel = kernel.split('-').next().unwrap_or_default();
    let processor =
        value("/proc/cpuinfo", "model name").unwrap_or_else(|| "a processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let is_virtual =
        fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" hypervisor"));
    let kind = if is_virtual {
        "virtual machine"
    } else {
        "machine"
    };
    format!(
        "{system}, Linux {}, {kind} with {cores} cores of {processor}",
        kernel.trim()
    )
}

/// The date, as `2026-01-31`.
pub(crate) fn today() -> String {
    first_line("date", &["-u", "+%Y-%m-%d"]).unwrap_or_default()
}

/// The first line that a program prints, with which it tells its version.
pub(crate) fn first_line(program: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).output().ok()?;
    let both = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&both).into_owned();
    text.lines().next().map(str::to_owned)
}

/// How noisy the machine is: what the same work takes, and the load.
pub(crate) fn noise() -> String {
    let sample = Sample::new((0..PROBES).map(|_| timed(work).0));
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    format!(
        "the same work took {:.0} µs at best, 1:{:.2} in the middle, 1:{:.2} at the 90th and 1:{:.2} at the 99th percentile; load {load}",
        sample.percentile(0),
        sample.median() / sample.percentile(0),
        sample.percentile(90) / sample.percentile(0),
        sample.percentile(99) / sample.percentile(0),
    )
}

fn work() -> u64 {
    (0..STEPS).fold(1, |sum: u64, step| {
        black_box(sum.wrapping_mul(31).wrapping_add(step))
    })
}

/// What stands behind a name in a file of lines.
fn value(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let value = line.get(name.len()..)?;
    let marks = |c: char| c.is_whitespace() || ":=\"".contains(c);
    Some(value.trim_matches(marks).to_owned())
}
