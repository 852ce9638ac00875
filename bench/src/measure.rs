//! All measurements, in the order of the page.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use ac_cred_proto::Org;
use ac_cred_proto::frame::Encoding;

use crate::load::{Kept, Question, burst, latency, throughput};
use crate::memory::pss;
use crate::peers::Peers;
use crate::plot::{Bar, svg};
use crate::processes::{Runs, in_turns};
use crate::report::{Page, row};
use crate::rig::{Real, Yardstick, idle, question};
use crate::sample::{Sample, middle, range};
use crate::subject::{self, Subject};
use crate::{dist, machine, target};

/// Answers that are counted for a rate, and for a latency.
const ANSWERS: usize = 30_000;
const ASKED: usize = 5_000;

/// The numbers of organizations with which a `get` must take as long as with one.
const GROWTH: [usize; 3] = [1, 100, 10_000];

const BURST: usize = 1_000;

/// The before and after of each thing that was tried, which a run does not change.
const TRIED: &str = include_str!("../tried.md");

/// The page, and the picture of its first table.
pub(crate) fn page(rounds: usize, times: usize) -> io::Result<(Page, String)> {
    let before = machine::noise();
    let yardstick = Yardstick::start()?;
    // Alone: what two of the same program share counts half for each.
    let idle = idle()?;
    let real = Real::start()?;
    let peers = Peers::start()?;
    let mut page = Page::default();
    let versions = peers.versions.join("; ");
    page.section(
        "Speed and size",
        &format!(
            "Measured on {} by `cargo run --release -p ac-cred-bench`: {}.\n\
             {rounds} rounds; the ratios of one run can be trusted, its times are those of that machine.\n\
             Beside: {versions}.\n\
             Not measured: {}.\n\
             Noise before: {before}.",
            machine::today(),
            machine::in_words(),
            if peers.missing.is_empty() {
                "nothing".to_owned()
            } else {
                peers.missing.join("; ")
            },
        ),
    );
    let picture = processes(&mut page, (&yardstick, &real, &peers), rounds, times)?;
    rates(&mut page, &yardstick, &real, rounds)?;
    crowd(&mut page, &real, rounds)?;
    growth(&mut page)?;
    memory(&mut page, &idle, &real, &peers)?;
    sizes(&mut page)?;
    cold(&mut page, &real)?;
    page.section("Noise after", &format!("{}.", machine::noise()));
    page.section("What was tried", TRIED);
    Ok((page, picture))
}

fn processes(
    page: &mut Page,
    (yardstick, real, peers): (&Yardstick, &Real, &Peers),
    rounds: usize,
    times: usize,
) -> io::Result<String> {
    let mut contenders = vec![
        yardstick.contender(),
        real.get("ac-cred get, as released", &dist("ac-cred")),
        real.get(
            "ac-cred get, plain build",
            &target().join("release/ac-cred"),
        ),
    ];
    contenders.extend(peers.contenders.iter().cloned());
    let runs = in_turns(&contenders, rounds, times)?;
    page.section(
        "A whole process, warm",
        "From its start to its exit; the yardstick is a static C client that connects, writes, reads and \
         prints 1,200 bytes (`bench/yardstick/client.c`).\n\n![The ratios as bars](speed.svg)",
    );
    let bars: Vec<Bar> = runs.iter().map(|one| bar(one, &runs[0])).collect();
    let mut rows = vec![row([
        &"program",
        &"ratio",
        &"range of the rounds",
        &"median, µs",
        &"90th, µs",
        &"99th, µs",
    ])];
    for (one, bar) in runs.iter().zip(&bars) {
        let all = Sample::together(&one.rounds);
        let (least, most) = range(&bar.ratios);
        rows.push(row([
            &one.name,
            &format!("{:.2}", bar.middle()),
            &format!("{least:.2} – {most:.2}"),
            &format!("{:.0}", all.median()),
            &format!("{:.0}", all.percentile(90)),
            &format!("{:.0}", all.percentile(99)),
        ]));
    }
    page.table(&rows);
    Ok(svg(
        "A whole process, warm: the static C client is 1",
        &bars,
    ))
}

/// The ratios of medians, round by round.
fn bar(one: &Runs, yardstick: &Runs) -> Bar {
    let rounds = one.rounds.iter().zip(&yardstick.rounds);
    Bar {
        name: one.name.clone(),
        ratios: rounds
            .map(|(one, yardstick)| one.median() / yardstick.median())
            .collect(),
    }
}

fn rates(page: &mut Page, yardstick: &Yardstick, real: &Real, rounds: usize) -> io::Result<()> {
    page.section(
        "Answers a second",
        "`get` of a fresh token of 1,200 bytes from one thread, which shares the machine with the daemon; \
         the yardstick is a C server with epoll (`bench/yardstick/server.c`). The median of the rounds.",
    );
    let mut rows = vec![row([
        &"connections",
        &"binary",
        &"range",
        &"JSON",
        &"C server",
        &"binary to C",
    ])];
    let asked = [
        (real.socket(), question(Encoding::Binary)?),
        (real.socket(), question(Encoding::Json)?),
        (yardstick.socket(), Question::yardstick()),
    ];
    for (connections, kept) in [
        (1, Kept::Open),
        (64, Kept::Open),
        (1, Kept::OneShot),
        (64, Kept::OneShot),
    ] {
        let mut taken = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            for ((socket, question), taken) in asked.iter().zip(&mut taken) {
                taken.push(throughput(socket, question, (connections, kept), ANSWERS)?);
            }
        }
        let [binary, json, c] = taken.each_ref().map(|taken| middle(taken));
        let (least, most) = range(&taken[0]);
        let kept = match kept {
            Kept::Open => "held open",
            Kept::OneShot => "one-shot",
        };
        rows.push(row([
            &format!("{connections} {kept}"),
            &format!("{binary:.0}"),
            &format!("{least:.0} – {most:.0}"),
            &format!("{json:.0}"),
            &format!("{c:.0}"),
            &format!("{:.2}", binary / c),
        ]));
    }
    page.table(&rows);
    Ok(())
}

fn crowd(page: &mut Page, real: &Real, rounds: usize) -> io::Result<()> {
    let question = question(Encoding::Binary)?;
    let taken = (0..rounds)
        .map(|_| burst(&real.socket(), &question, BURST).map(|time| time.as_secs_f64() * 1e3))
        .collect::<io::Result<Vec<f64>>>()?;
    let (least, most) = range(&taken);
    page.section(
        "A burst",
        &format!(
            "{BURST} connections at once: the last is answered after {:.0} ms ({least:.0} – {most:.0}), none fails.",
            middle(&taken)
        ),
    );
    Ok(())
}

/// The daemon's library with a stand-in for the Auth API, as ten thousand logins take their time.
fn growth(page: &mut Page) -> io::Result<()> {
    page.section(
        "With many organizations",
        "One request after the other on one connection, for each organization in turn; memory with a \
         token of 1,200 bytes for each. The daemon's library in a process of its own.",
    );
    let mut rows = vec![row([
        &"organizations",
        &"median, µs",
        &"90th, µs",
        &"99th, µs",
        &"PSS, KiB",
    ])];
    for count in GROWTH {
        let mut subject = Subject::start(&[], count)?;
        let orgs: Vec<Org> = (0..count).map(subject::org).collect::<io::Result<_>>()?;
        // Each has its token then.
        latency(&subject.socket(), &orgs, count)?;
        let sample = latency(&subject.socket(), &orgs, ASKED.max(count))?;
        rows.push(row([
            &count,
            &format!("{:.1}", sample.median()),
            &format!("{:.1}", sample.percentile(90)),
            &format!("{:.1}", sample.percentile(99)),
            &told(pss(subject.pid())),
        ]));
        subject.stop()?;
    }
    page.table(&rows);
    Ok(())
}

fn memory(page: &mut Page, idle: &str, real: &Real, peers: &Peers) -> io::Result<()> {
    page.section(
        "Memory",
        "Proportional set size, in KiB; one entry each, and all processes of a peer together.",
    );
    let mut rows = vec![row([&"daemon", &"PSS, KiB"])];
    rows.push(row([&"ac-credd, idle", &idle]));
    rows.push(row([
        &"ac-credd, after a TLS exchange",
        &real.after_exchange,
    ]));
    rows.push(row([
        &"ac-credd, after the rates above",
        &told(pss(real.pid())),
    ]));
    let mut whole: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, pid) in &peers.daemons {
        *whole.entry(name).or_default() += pss(*pid)?;
    }
    for (name, pss) in &whole {
        rows.push(row([name, pss]));
    }
    page.table(&rows);
    Ok(())
}

pub(crate) fn told(pss: io::Result<u64>) -> String {
    pss.map_or_else(|error| format!("not told ({error})"), |pss| pss.to_string())
}

fn sizes(page: &mut Page) -> io::Result<()> {
    page.section("Size", "Of the programs, in KiB.");
    let mut rows = vec![row([&"program", &"KiB"])];
    let release = target().join("release");
    let programs = [
        ("ac-cred, as released", dist("ac-cred")),
        ("ac-cred, plain build", release.join("ac-cred")),
        ("ac-credd, as released", dist("ac-credd")),
    ];
    for (name, path) in programs.into_iter().filter(|(_, path)| path.exists()) {
        rows.push(row([&name, &(fs::metadata(path)?.len() / 1_024)]));
    }
    page.table(&rows);
    Ok(())
}

/// From no daemon to the first token: the start, the encrypted file, the exchange over TLS.
fn cold(page: &mut Page, real: &Real) -> io::Result<()> {
    page.section(
        "From nothing to the first token",
        "`ac-cred get` starts the daemon, which opens the encrypted file (its passphrase is made slow on \
         purpose) and exchanges the credential over TLS; beside it the start alone.",
    );
    let home = real.with_encrypted_file()?;
    let (mut start, mut first) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        home.call(&["daemon", "stop"])?;
        first.push(home.call(&["get", "acme"])?);
        home.call(&["daemon", "stop"])?;
        start.push(home.call(&["daemon", "start"])?);
    }
    home.call(&["daemon", "stop"])?;
    let mut rows = vec![row([&"what", &"median, ms"])];
    for (name, times) in [
        ("ac-cred daemon start", start),
        ("ac-cred get, no daemon", first),
    ] {
        rows.push(row([
            &name,
            &format!("{:.1}", Sample::new(times).median() / 1e3),
        ]));
    }
    page.table(&rows);
    Ok(())
}
