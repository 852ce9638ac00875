//! The run: threads that call, one that spoils, and what is counted.

use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use ac_cred_tests::{
    auth_sim::{Fault, Options, rows},
    process::{Deadline, Process},
    world::{Account, Output, World},
};
use clap::Parser;
use rustix::process::Signal;
use serde_json::{Value, json};

const ORGANIZATIONS: usize = 8;
const CALLERS: u64 = 4;

/// How many bad clients are held at a time by each caller.
const BAD_CLIENTS: usize = 50;

/// When an answer counts as lost: the longest wait that is asked for, and much more.
const LOST: Duration = Duration::from_secs(40);

/// Everything that goes wrong, at random and all at once
#[derive(Parser)]
struct Arguments {
    /// How long
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// The choices, as an earlier run has printed them
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let random = || u64::from(std::process::id()).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let seed = arguments.seed.unwrap_or_else(random);
    let result = soak(Duration::from_secs(60 * arguments.minutes), seed);
    let told = match &result {
        Ok(counts) => counts.told(),
        Err(why) => format!("the soak could not be run: {why}\n"),
    };
    // Nobody may be reading any more.
    io::stdout().write_all(told.as_bytes()).ok();
    match result {
        Ok(counts) if counts.is_clean() => ExitCode::SUCCESS,
        Ok(_) | Err(_) => ExitCode::FAILURE,
    }
}

/// What came of the calls.
#[derive(Default)]
struct Counts {
    calls: u64,
    served: u64,
    failures: BTreeMap<String, u64>,
    bad_clients: u64,
    left: u64,
    lost: u64,
    wrong: Vec<String>,
    exchanges: usize,
    memory_kib: u64,
    descriptors: (usize, usize),
}

impl Counts {
    fn is_clean(&self) -> bool {
        self.lost == 0 && self.wrong.is_empty()
    }

    fn told(&self) -> String {
        let mut lines = vec![
            format!("calls           {}", self.calls),
            format!("  served        {}", self.served),
        ];
        for (error, count) in &self.failures {
            lines.push(format!("  {error:22} {count}"));
        }
        let (before, after) = self.descriptors;
        lines.extend([
            format!("callers who left {}", self.left),
            format!("bad clients     {}", self.bad_clients),
            format!("exchanges       {}", self.exchanges),
            format!("lost answers    {}", self.lost),
            format!("wrong answers   {}", self.wrong.len()),
            format!("peak memory     {} KiB", self.memory_kib),
            format!("descriptors     {before} at the beginning, {after} at the end"),
        ]);
        lines.extend(self.wrong.iter().take(10).cloned());
        lines.into_iter().map(|line| line + "\n").collect()
    }
}

/// The same choices for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        let length = u64::try_from(among.len()).unwrap_or(1);
        let index = usize::try_from(self.roll(length)).unwrap_or(0);
        &among[index]
    }
}

fn soak(time: Duration, seed: u64) -> io::Result<Counts> {
    writeln!(io::stdout(), "seed {seed}")?;
    let world = World::try_new(Options::default())?;
    let accounts: Vec<Account> = (0..ORGANIZATIONS)
        .map(|number| world.login(&format!("org-{number}")))
        .collect();
    let pid = world.daemon_pid().ok_or(io::ErrorKind::NotFound)?;
    let daemon = Process(pid);
    let before = daemon.descriptors().map_or(0, |open| open.len());
    let counts = Mutex::new(Counts::default());
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        let (stop, stopped) = channel::<()>();
        let (world, accounts, counts, ends) = (&world, &accounts, &counts, &ends);
        let spoiler = scope.spawn(move || spoil(world, accounts, daemon, &stopped, seed));
        for number in 1..=CALLERS {
            let dice = Dice(seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
            scope.spawn(move || call(world, accounts, counts, ends, dice));
        }
        let deadline = Deadline::within(time);
        let (_never, waits) = channel::<()>();
        waits.recv_timeout(deadline.left()).ok();
        ends.store(true, Ordering::Relaxed);
        drop(stop);
        spoiler.join().ok();
    });
    let mut counts = counts.into_inner().unwrap_or_else(PoisonError::into_inner);
    counts.exchanges = world.sim().exchange_count();
    let memory = daemon.line("status", "VmHWM:")?;
    counts.memory_kib = memory
        .split(' ')
        .next()
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0);
    counts.descriptors = (before, settled_descriptors(&world, daemon));
    if world.daemon_pid() != Some(pid) {
        counts.wrong.push("the daemon is another one".to_owned());
    }
    Ok(counts)
}

/// How many descriptors are open once the last bad clients have been closed.
fn settled_descriptors(world: &World, daemon: Process) -> usize {
    let (_never, waits) = channel::<()>();
    waits.recv_timeout(Duration::from_secs(12)).ok();
    drop(world.connect());
    daemon.descriptors().map_or(0, |open| open.len())
}

/// Lets things go wrong, until it is stopped.
fn spoil(world: &World, accounts: &[Account], daemon: Process, stopped: &Receiver<()>, seed: u64) {
    let mut dice = Dice(seed | 1);
    let sim = world.sim();
    let faults: Vec<Fault> = [
        rows::transient_statuses("http://127.0.0.1:9/"),
        rows::refusals(),
        rows::doubtful_bodies(),
        rows::odd_lifetimes(),
        rows::broken_connections(),
        rows::endless_connections(),
    ]
    .concat();
    loop {
        let pause = Duration::from_millis(20 + dice.roll(400));
        if stopped.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
            break;
        }
        let account = dice.pick(accounts);
        match dice.roll(16) {
            0..6 => sim
                .only_credential(&account.key)
                .fail_next(1, dice.pick(&faults).clone()),
            6 => sim.slow_by(Duration::from_millis(dice.roll(300))),
            7 | 8 => sim.set_lifetime(*dice.pick(&[1, 2, 5, 60, 3_600])),
            9 => sim.set_clock_offset(*dice.pick(&[-600, 0, 0, 600])),
            10 => sim.cut_connections(),
            11 => stand_still(daemon, stopped, &mut dice),
            _ => sim.heal(),
        }
    }
    sim.heal();
}

/// The daemon does nothing for a moment.
fn stand_still(daemon: Process, stopped: &Receiver<()>, dice: &mut Dice) {
    daemon.signal(Signal::STOP).ok();
    stopped
        .recv_timeout(Duration::from_millis(dice.roll(200)))
        .ok();
    daemon.signal(Signal::CONT).ok();
}

/// Calls again and again, in every way.
fn call(
    world: &World,
    accounts: &[Account],
    counts: &Mutex<Counts>,
    ends: &AtomicBool,
    mut dice: Dice,
) {
    let socket = world.socket();
    let mut bad = Vec::new();
    while !ends.load(Ordering::Relaxed) {
        let account = dice.pick(accounts);
        let counts = |change: &dyn Fn(&mut Counts)| {
            change(&mut counts.lock().unwrap_or_else(PoisonError::into_inner));
        };
        match dice.roll(100) {
            0..4 => {
                let output = world.ac_cred(["get", &account.alias, "--wait", "5s"]).run();
                counts(&|counts| judge_process(counts, &output));
            }
            4..8 => {
                leave(&socket, &question(account, &mut dice)).ok();
                counts(&|counts| counts.left += 1);
            }
            8..12 => {
                bad.truncate(BAD_CLIENTS - 1);
                bad.insert(0, offend(&socket, &mut dice));
                counts(&|counts| counts.bad_clients += 1);
            }
            _ => {
                let answer = ask(&socket, &question(account, &mut dice));
                counts(&|counts| judge(counts, account, &answer));
            }
        }
    }
}

fn question(account: &Account, dice: &mut Dice) -> Value {
    let organization = &account.alias;
    match dice.roll(20) {
        0 => json!({ "reject": { "organization": organization, "wait_ms": 3_000 } }),
        1 => json!({ "get": { "organization": organization, "refresh": true, "wait_ms": 3_000 } }),
        2 => json!({ "get": { "organization": organization, "min_ttl": 30, "wait_ms": 2_000 } }),
        _ => json!({ "get": { "organization": organization, "wait_ms": 3_000 } }),
    }
}

fn ask(socket: &Path, question: &Value) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(LOST))?;
    stream.write_all(format!("{question}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    serde_json::from_str(&line).map_err(io::Error::other)
}

fn leave(socket: &Path, question: &Value) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(format!("{question}\n").as_bytes())
}

/// A connection that says nothing, half a request, or nonsense, or asks and never reads.
fn offend(socket: &Path, dice: &mut Dice) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(socket)?;
    let never_read = b"{\"status\":{}}\n".repeat(200);
    let said: [&[u8]; 6] = [
        b"",
        b"\0\0\x01\0\x01",
        b"{\"get\":",
        b"nonsense",
        b"\0\xff\xff\xff",
        &never_read,
    ];
    // One that was sent away already hears so when it reads.
    stream.write_all(dice.pick::<&[u8]>(&said)).ok();
    Ok(stream)
}

/// The same of what a process printed.
fn judge_process(counts: &mut Counts, output: &Output) {
    counts.calls += 1;
    let is_served = output.code == 0;
    if is_served {
        counts.served += 1;
    } else {
        let code = format!("exit code {}", output.code);
        *counts.failures.entry(code).or_default() += 1;
    }
    if ![0, 4, 5].contains(&output.code) || is_served == output.stdout.is_empty() {
        counts.wrong.push(format!("{output:?}"));
    }
}

/// Counts an answer, and looks whether it is one to the question.
fn judge(counts: &mut Counts, account: &Account, answer: &io::Result<Value>) {
    counts.calls += 1;
    let Ok(answer) = answer else {
        counts.lost += 1;
        return;
    };
    if let Some(error) = answer["denied"]["error"].as_str() {
        *counts.failures.entry(error.to_owned()).or_default() += 1;
        return;
    }
    counts.served += 1;
    let lease = &answer["lease"];
    let token = lease["access_token"].as_str().unwrap_or_default();
    let mark = format!(".marker-{}-", account.alias);
    if lease["organization"] != *account.alias || !token.contains(&mark) {
        counts
            .wrong
            .push(format!("{} was given {answer}", account.alias));
    }
}
