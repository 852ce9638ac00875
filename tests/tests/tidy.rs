//! What ARCHITECTURE.md promises of the sources, and the house's rules for them: each violation is
//! told with its file and line.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use ac_cred_tests::source::{
    Source, blocks, files, lines_with, quoted, root, rust_files, table, words,
};

/// The longest file, without its tests.
const LONGEST_FILE: usize = 400;

/// The programs, which the rules for what they may name or read are for.
const PROGRAMS: [&str; 4] = ["proto/src/", "daemon/src/", "client/src/", "mcp/src/"];

/// The crates that may have to be replaced, and the one file of a program that names each.
const NAMED_ONCE: [(&str, &str); 8] = [
    ("bincode", "proto/src/frame.rs"),
    ("reqwest", "daemon/src/auth_api.rs"),
    ("reqwest", "mcp/src/http.rs"),
    (
        "dbus_secret_service",
        "daemon/src/credential_store/keyring/secret_service.rs",
    ),
    ("age", "daemon/src/credential_store/file/key.rs"),
    ("toml_edit", "daemon/src/settings_file.rs"),
    ("toml_edit", "mcp/src/setup/toml_text.rs"),
    ("jsonc_parser", "mcp/src/setup/json_text.rs"),
];

/// The files that read a clock.
const CLOCKS: [&str; 2] = ["daemon/src/clock.rs", "client/src/deadline.rs"];

/// What a client that starts in a millisecond does not link.
const HEAVY: [&str; 6] = [
    "tokio",
    "hyper",
    "reqwest",
    "rustls",
    "native-tls",
    "openssl",
];

/// The word stands where a crate's macro demands it as a mark, and makes nothing unsafe of ours.
const MARKED_UNSAFE: (&str, &str) = ("client/src/closed_stdout.rs", "#[ctor(unsafe)]");

/// The one place that pauses, between looks at what no event tells.
const POLLS: &str = "tests/src/world/time.rs";

#[test]
fn proto_does_no_io_reads_no_clock_and_has_nothing_asynchronous() {
    let foreign = [
        "fs",
        "net",
        "process",
        "thread",
        "env",
        "stdin",
        "stdout",
        "stderr",
        "println",
        "eprintln",
        "Instant",
        "SystemTime",
        "elapsed",
        "async",
        "await",
        "Future",
        "tokio",
        "exists",
        "metadata",
        "symlink_metadata",
        "is_dir",
        "is_file",
        "canonicalize",
    ];
    let sources = programs(&["proto/src/"]);
    assert_none("proto only computes", &uses(&sources, &foreign));
}

#[test]
fn the_client_has_the_reviewed_dependencies_and_no_others() {
    let listed = read("client/dependencies.txt");
    let lines = listed
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut reviewed = BTreeSet::new();
    for line in lines {
        let reason = line
            .split_once(": ")
            .filter(|(_, reason)| !reason.is_empty());
        let (name, _) = reason.unwrap_or_else(|| panic!("no reason: {line}"));
        assert!(reviewed.insert(name.to_owned()), "{name} is listed twice");
    }
    assert_eq!(
        client_tree(&["--target", "all"]),
        reviewed,
        "client/dependencies.txt (right) is not what `cargo tree` finds (left)"
    );
}

#[test]
fn the_client_links_no_runtime_http_or_tls() {
    let tree = client_tree(&[]);
    assert!(tree.contains("ac-cred-proto"), "{tree:?}");
    let found: Vec<_> = HEAVY.iter().filter(|&&name| tree.contains(name)).collect();
    assert!(found.is_empty(), "the client links {found:?}");
}

#[test]
fn a_crate_that_may_have_to_be_replaced_is_named_in_one_file() {
    let sources = programs(&PROGRAMS);
    let promised = invariant(3);
    for (name, home) in NAMED_ONCE {
        assert!(
            promised.contains(&format!("`{home}`")) && promised.contains(name),
            "ARCHITECTURE.md, invariant 3, does not say that {home} names {name}"
        );
        let homes = NAMED_ONCE.iter().filter(|(named, _)| *named == name);
        let homes: Vec<_> = homes.map(|&(_, home)| home).collect();
        let namers: Vec<_> = sources
            .iter()
            .filter(|source| names_crate(&source.program, name))
            .map(|source| source.path.as_str())
            .collect();
        assert_eq!(namers, homes, "files that name {name}");
    }
}

#[test]
fn time_is_read_in_two_files_only() {
    let promised = invariant(4);
    assert!(
        quoted(&promised).eq(CLOCKS),
        "ARCHITECTURE.md, invariant 4, names other files: {promised}"
    );
    let clocks = [
        "Instant",
        "SystemTime",
        "elapsed",
        "clock_gettime",
        "clock_gettime_dynamic",
    ];
    let mut sources = programs(&PROGRAMS);
    sources.retain(|source| !CLOCKS.contains(&source.path.as_str()));
    assert_none("time is read elsewhere", &uses(&sources, &clocks));
}

#[test]
fn policy_is_pure() {
    let impure = [
        "async",
        "await",
        "Future",
        "tokio",
        "Mutex",
        "RwLock",
        "Condvar",
        "OnceLock",
        "LazyLock",
        "Atomic",
        "AtomicBool",
        "AtomicU64",
        "AtomicUsize",
        "RefCell",
        "Cell",
        "static",
        "mpsc",
        "oneshot",
        "watch",
        "Sender",
        "Receiver",
        "tracing",
        "log",
        "println",
        "eprintln",
        "env",
        "fs",
        "File",
        "io",
        "net",
        "thread",
        "process",
        "fastrand",
        "Instant",
        "SystemTime",
    ];
    let sources = programs(&["daemon/src/policy.rs", "daemon/src/policy/"]);
    assert!(sources.len() > 1, "policy has moved");
    assert_none("policy decides and does nothing", &uses(&sources, &impure));
}

#[test]
fn the_broker_awaits_nothing_but_its_own_select() {
    let sources = programs(&["daemon/src/broker.rs", "daemon/src/broker/"]);
    let mut waiters = Vec::new();
    for source in &sources {
        for block in blocks(&source.program, "impl Broker ") {
            waiters.extend(block.lines().filter(|line| has_word(line, "async")));
        }
    }
    let waiters: Vec<_> = waiters.iter().map(|line| line.trim()).collect();
    assert!(
        matches!(waiters[..], [run] if run.starts_with("pub async fn run(")),
        "only the broker's `run` may wait, what else does is a job: {waiters:#?}"
    );
    let broker = only(&sources, "daemon/src/broker.rs");
    let run = blocks(&broker.program, "pub async fn run");
    let looped = blocks(run[0], "loop ");
    assert_eq!(looped.len(), 1, "the broker's loop has moved");
    let inside: Vec<_> = lines_with(looped[0], ".await").collect();
    assert!(
        inside.is_empty(),
        "the broker's loop awaits besides its select!"
    );
    assert_eq!(lines_with(looped[0], "tokio::select!").count(), 1);
}

#[test]
fn secrets_are_exposed_at_the_doors_that_architecture_lists() {
    let text = read("ARCHITECTURE.md");
    let doors: BTreeSet<String> = table(&text, "secret")
        .iter()
        .flat_map(|row| quoted(&row[1]).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(doors.len() > 1, "the table of doors has moved");
    let sources = programs(&PROGRAMS);
    let open = [
        "expose",
        "expose_secret",
        "expose_secret_mut",
        "ExposeSecret",
    ];
    let found = uses(&sources, &open);
    let elsewhere = |place: &&String| {
        !doors
            .iter()
            .any(|door| place.starts_with(&format!("{door}:")))
    };
    let unlisted: Vec<_> = found.iter().filter(elsewhere).cloned().collect();
    assert_none(
        "a secret is exposed where ARCHITECTURE.md lists no door",
        &unlisted,
    );
    for door in &doors {
        assert!(
            found
                .iter()
                .any(|place| place.starts_with(&format!("{door}:"))),
            "ARCHITECTURE.md lists {door} as a door, and no secret is exposed there"
        );
    }
}

#[test]
fn there_is_no_unsafe_and_no_exception_from_its_lint() {
    let mut found = Vec::new();
    for source in rust_sources() {
        let is_marked = |line: usize| {
            let marked = source
                .text
                .lines()
                .nth(line - 1)
                .is_some_and(|line| line.contains(MARKED_UNSAFE.1));
            marked && source.path == MARKED_UNSAFE.0
        };
        let places = words(&source.code).filter(|&(line, word)| {
            word == "unsafe_code" || (word == "unsafe" && !is_marked(line))
        });
        found.extend(places.map(|(line, word)| place(&source.path, line, word)));
    }
    assert_none("unsafe, or an exception from its lint", &found);
    assert!(read("Cargo.toml").contains("\nunsafe_code = \"deny\"\n"));
    for manifest in files_named("Cargo.toml")
        .iter()
        .filter(|path| path.contains('/'))
    {
        assert!(
            read(manifest).contains("[lints]\nworkspace = true\n"),
            "{manifest} does not take the workspace's lints"
        );
    }
}

#[test]
fn every_test_that_architecture_names_exists() {
    let mut named = BTreeSet::new();
    for row in table(&read("ARCHITECTURE.md"), "# | invariant") {
        for path in quoted(&row[2]).filter(|name| is_rust(name)) {
            let text = fs::read_to_string(root().join(path)).unwrap_or_default();
            let holds_tests = text.contains("#[test]") || text.contains("#[tokio::test");
            assert!(
                holds_tests,
                "invariant {}: there are no tests in {path}",
                row[0]
            );
            named.insert(path.to_owned());
        }
    }
    assert!(named.len() > 2, "the table of invariants has moved");
}

#[test]
fn every_file_that_the_documents_name_exists() {
    let mut missing = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md", "SECURITY.md"] {
        for (line, number) in read(document).lines().zip(1..) {
            let paths = quoted(line).filter(|name| is_path_of_ours(name));
            let lost = paths.filter(|path| !root().join(path).exists());
            missing.extend(lost.map(|path| place(document, number, path)));
        }
    }
    assert_none("a document names a file that is not there", &missing);
}

#[test]
fn the_exit_codes_of_the_readme_are_those_of_the_client() {
    let source = Source::new("client/src/exit_code.rs", read("client/src/exit_code.rs"));
    let numbers = blocks(&source.program, "fn number(self) -> u8 ");
    let coded: Vec<(String, String)> = numbers[0]
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("Self::")?
                .trim_end_matches(',')
                .split_once(" => ")
        })
        .map(|(name, number)| (number.to_owned(), name.to_lowercase()))
        .collect();
    let told = table(&read("README.md"), "code");
    assert_eq!(
        told.len(),
        coded.len(),
        "README.md has other exit codes: {coded:?}"
    );
    for (row, (number, name)) in told.iter().zip(&coded) {
        let meaning = row[1].to_lowercase().replace(' ', "");
        assert!(
            row[0] == *number && meaning.contains(name),
            "README.md says {row:?} where exit_code.rs says {number} is {name}"
        );
    }
}

#[test]
fn every_file_opens_by_saying_what_it_holds() {
    let silent: Vec<_> = rust_sources()
        .iter()
        .filter(|source| !source.text.starts_with("//! "))
        .map(|source| place(&source.path, 1, "no //!"))
        .collect();
    assert_none("a file does not say what it holds", &silent);
}

#[test]
fn no_file_is_longer_than_a_person_reads_at_once() {
    let long: Vec<_> = rust_sources()
        .iter()
        .map(|source| (source.path.clone(), source.program_length()))
        .filter(|&(_, length)| length > LONGEST_FILE)
        .map(|(path, length)| format!("{path}: {length} lines without tests"))
        .collect();
    assert_none("files longer than 400 lines without their tests", &long);
}

#[test]
fn no_name_hides_what_it_is_for() {
    let hiding = ["utils", "util", "manager", "helpers", "misc", "common"];
    let mut found = Vec::new();
    for source in rust_sources() {
        let stem = Path::new(&source.path).file_stem().unwrap_or_default();
        let is_hiding = |part: &str| hiding.contains(&part.to_lowercase().as_str());
        if stem == "mod" || source.path.split(['/', '.']).any(is_hiding) {
            found.push(place(&source.path, 1, "its own name"));
        }
        let named = words(&source.code).filter(|(_, word)| {
            word.split('_').any(is_hiding) || word.ends_with("Manager") || word.ends_with("Utils")
        });
        found.extend(named.map(|(line, word)| place(&source.path, line, word)));
    }
    assert_none("a name hides what it is for", &found);
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let mut found = Vec::new();
    for source in rust_sources() {
        for attribute in ["#[allow(", "#![allow("] {
            let lines = lines_with(&source.code, attribute);
            found.extend(lines.map(|line| place(&source.path, line, attribute)));
        }
    }
    assert_none("a lint is allowed", &found);
}

#[test]
fn nothing_unwraps_outside_tests() {
    let mut found = Vec::new();
    for source in rust_sources() {
        let lines = lines_with(&source.program, ".unwrap()");
        found.extend(lines.map(|line| place(&source.path, line, ".unwrap()")));
    }
    assert_none("a value is unwrapped without its invariant", &found);
}

#[test]
fn no_test_sleeps() {
    let mut found = Vec::new();
    for source in rust_sources() {
        let is_of_tests = source.path.starts_with("tests/") && source.path != POLLS;
        let waiting = if is_of_tests {
            &source.code
        } else {
            &source.tests
        };
        for sleep in ["thread::sleep", "time::sleep", "park_timeout"] {
            let lines = lines_with(waiting, sleep);
            found.extend(lines.map(|line| place(&source.path, line, sleep)));
        }
    }
    assert_none("a test sleeps: wait for the event, with a deadline", &found);
}

#[test]
fn no_file_has_unfinished_work_or_a_path_of_somebodys_machine() {
    let unfinished = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    let places = [Some(root()), std::env::home_dir()];
    let machine = places
        .into_iter()
        .flatten()
        .filter(|path| path.file_name().is_some());
    let machine: Vec<String> = machine.map(|path| path.display().to_string()).collect();
    let mut found = Vec::new();
    for path in files().expect("the workspace can be read") {
        let bytes = fs::read(root().join(&path)).expect("its files can be read");
        let text = String::from_utf8_lossy(&bytes);
        let shown = path.display().to_string();
        for mark in unfinished {
            let marked = words(&text).filter(|&(_, word)| word == mark);
            found.extend(marked.map(|(line, word)| place(&shown, line, word)));
        }
        for here in &machine {
            let lines = text.lines().zip(1..);
            let lines = lines.filter(|(line, _)| names_path(line, here));
            found.extend(lines.map(|(_, line)| place(&shown, line, here)));
        }
    }
    assert_none("a file holds what does not belong into it", &found);
}

fn read(path: &str) -> String {
    let text = fs::read_to_string(root().join(path));
    assert!(text.is_ok(), "{path}: {text:?}");
    text.unwrap_or_default()
}

fn rust_sources() -> Vec<Source> {
    let sources = rust_files().expect("the sources can be read");
    assert!(sources.len() > 20, "the sources have moved");
    sources
}

/// The sources whose paths begin with one of these.
fn programs(paths: &[&str]) -> Vec<Source> {
    let mut sources = rust_sources();
    sources.retain(|source| paths.iter().any(|path| source.path.starts_with(path)));
    assert!(!sources.is_empty(), "{paths:?} have moved");
    sources
}

fn only<'a>(sources: &'a [Source], path: &str) -> &'a Source {
    let found = sources.iter().find(|source| source.path == path);
    found.expect("a file that this test knows is there")
}

fn is_rust(path: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|extension| extension == "rs")
}

fn files_named(name: &str) -> Vec<String> {
    let files = files().expect("the workspace can be read");
    let named = files.iter().filter(|path| path.ends_with(name));
    named.map(|path| path.display().to_string()).collect()
}

/// What ARCHITECTURE.md says of the invariant with this number.
fn invariant(number: usize) -> String {
    let rows = table(&read("ARCHITECTURE.md"), "# | invariant");
    let mut row = rows.into_iter().filter(|row| row[0] == number.to_string());
    let row = row.next().expect("ARCHITECTURE.md numbers its invariants");
    row[1].clone()
}

/// Where programs use one of these words.
fn uses(sources: &[Source], sought: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        let used = words(&source.program).filter(|(_, word)| sought.contains(word));
        found.extend(used.map(|(line, word)| place(&source.path, line, word)));
    }
    found
}

fn has_word(line: &str, sought: &str) -> bool {
    words(line).any(|(_, word)| word == sought)
}

/// Whether a crate is named, as in `bincode::decode` or `use bincode`.
fn names_crate(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    let is_whole = |at: usize| {
        let before = code.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|letter| !(letter.is_alphanumeric() || "_:".contains(letter)))
    };
    code.match_indices(&path).any(|(at, _)| is_whole(at))
        || code.contains(&format!("use {name};"))
        || code.contains(&format!("use {name} as "))
}

/// Whether a line names this absolute path or one below it, and not one that only ends like it.
fn names_path(line: &str, path: &str) -> bool {
    let is_whole = |at: usize| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        let behind = line
            .get(at + path.len()..)
            .and_then(|behind| behind.chars().next());
        let is_part = |letter: char| letter.is_alphanumeric() || "._-".contains(letter);
        !before.is_some_and(|letter| is_part(letter) || letter == '/')
            && !behind.is_some_and(is_part)
    };
    line.match_indices(path).any(|(at, _)| is_whole(at))
}

/// Whether what a document quotes is the path of a file in this workspace.
fn is_path_of_ours(name: &str) -> bool {
    let crates = ["proto/", "daemon/", "client/", "mcp/", "tests/"];
    crates.iter().any(|start| name.starts_with(start)) && !name.contains(' ')
}

fn place(path: &str, line: usize, what: &str) -> String {
    format!("{path}:{line}: {what}")
}

fn assert_none(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

/// The names of the crates below the client, from what is at hand or, failing that, the registry.
fn client_tree(more: &[&str]) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let ask = |offline: &[&str]| {
        let words = [
            "tree", "-p", "ac-cred", "-e", "normal", "--prefix", "none", "--locked",
        ];
        let mut command = Command::new(&cargo);
        command
            .args(words)
            .args(more)
            .args(offline)
            .current_dir(root());
        command.output().expect("cargo can be run")
    };
    let mut output = ask(&["--offline"]);
    if !output.status.success() {
        output = ask(&[]);
    }
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree: {told}");
    let tree = String::from_utf8_lossy(&output.stdout);
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    let below = names.filter(|&name| !name.is_empty() && name != "ac-cred");
    below.map(str::to_owned).collect()
}
