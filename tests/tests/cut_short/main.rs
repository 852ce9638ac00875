//! What a daemon writes, cut short: killed at every system call on its files, refused each of them,
//! or without power. The files afterwards hold the old or the new state, and are in nobody's way.

#![cfg(target_os = "linux")]

mod daemon;
mod home;
mod power;
mod trace;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    thread,
};

use ac_cred_tests::process::has_program_or_skips;
use serde_json::{Value, json};

use home::Home;
use trace::{Cut, Strace, SystemCall};

/// How many homes one change is made in at the same time.
const HOMES: usize = 4;

/// What the system answers where a disk or its driver fails; at every call.
const FAILS: &str = "EIO";

/// What it answers where a file system takes nothing more; at calls that change something.
const TAKES_NOTHING: [&str; 3] = ["ENOSPC", "EDQUOT", "EROFS"];

/// An organization that is not known, and one whose credential is gone.
const UNKNOWN: &str = "unknown_organization";
const GONE: &str = "login_required";

/// A change, and what each organization has before, in between and afterwards.
struct Change {
    /// What is asked for before.
    first: fn() -> Vec<Value>,
    request: fn(&Home) -> Value,
    /// Alias, and what a `get` of it may answer; the last is what it answers when all is done.
    states: &'static [(&'static str, &'static [&'static str])],
    /// What some organization has at all times.
    always: Option<&'static str>,
    /// The files that are there afterwards besides the usual ones.
    leaves: &'static [&'static str],
}

const LOGIN: Change = Change {
    first: Vec::new,
    request: |_| login("gamma", "new"),
    states: &[
        ("acme", &["token-of-old"]),
        ("beta", &["token-of-b"]),
        ("gamma", &[UNKNOWN, GONE, "token-of-new"]),
    ],
    always: None,
    leaves: &[],
};

const REPLACE: Change = Change {
    first: Vec::new,
    request: |_| login("acme", "new"),
    states: &[
        ("acme", &["token-of-old", "token-of-new"]),
        ("beta", &["token-of-b"]),
    ],
    always: None,
    leaves: &[],
};

const LOGOUT: Change = Change {
    first: Vec::new,
    request: |_| json!({ "logout": { "organization": "acme" } }),
    states: &[
        ("acme", &["token-of-old", GONE, UNKNOWN]),
        ("beta", &["token-of-b"]),
    ],
    always: None,
    leaves: &[],
};

const CHANGE_KEY: Change = Change {
    first: Vec::new,
    request: |home| json!({ "change_passphrase": { "identity": home.second_identity() } }),
    states: &[("acme", &["token-of-old"]), ("beta", &["token-of-b"])],
    always: Some("token-of-old"),
    leaves: &[],
};

const MOVE_OUT: Change = Change {
    first: Vec::new,
    request: |_| move_to("acme", "command", &["/bin/echo", "old"]),
    states: &[("acme", &["token-of-old"]), ("beta", &["token-of-b"])],
    always: Some("token-of-old"),
    leaves: &COMMANDS,
};

const MOVE_IN: Change = Change {
    first: || vec![move_to("acme", "command", &["/bin/echo", "old"])],
    request: |_| move_to("acme", "file", &[]),
    states: &[("acme", &["token-of-old"]), ("beta", &["token-of-b"])],
    always: Some("token-of-old"),
    leaves: &COMMANDS,
};

const RENAME: Change = Change {
    first: Vec::new,
    request: |_| rename(),
    states: RENAMED,
    always: Some("token-of-old"),
    leaves: &[],
};

const RENAME_COMMAND: Change = Change {
    first: || vec![move_to("acme", "command", &["/bin/echo", "old"])],
    request: |_| rename(),
    states: RENAMED,
    always: Some("token-of-old"),
    leaves: &COMMANDS,
};

/// What rests where a credential is printed by a command.
const COMMANDS: [&str; 1] = ["commands.json"];

/// The states of a rename of `acme`.
const RENAMED: &[(&str, &[&str])] = &[
    ("acme", &["token-of-old", UNKNOWN]),
    ("beta", &["token-of-b"]),
    ("gamma", &[UNKNOWN, "token-of-old"]),
];

fn rename() -> Value {
    json!({ "rename": { "old": "acme", "new": "gamma" } })
}

fn move_to(organization: &str, store: &str, command: &[&str]) -> Value {
    let command = (!command.is_empty()).then(|| command.join("\n"));
    json!({ "move": { "organization": organization, "to": store, "command": command, "wait_ms": 8_000 } })
}

fn login(organization: &str, credential: &str) -> Value {
    json!({ "login": {
        "organization": organization,
        "credential": credential,
        "settings": { "store": "file" },
    } })
}

#[test]
fn a_login_that_is_cut_short_leaves_the_old_or_the_new_state() {
    cut_short_everywhere(&LOGIN);
}

#[test]
fn a_replacement_that_is_cut_short_leaves_the_old_or_the_new_state() {
    cut_short_everywhere(&REPLACE);
}

#[test]
fn a_logout_that_is_cut_short_leaves_the_old_or_the_new_state() {
    cut_short_everywhere(&LOGOUT);
}

#[test]
fn a_change_of_key_that_is_cut_short_leaves_a_file_that_opens() {
    cut_short_everywhere(&CHANGE_KEY);
}

#[test]
fn a_move_that_is_cut_short_leaves_the_credential_where_the_settings_say() {
    cut_short_everywhere(&MOVE_OUT);
    cut_short_everywhere(&MOVE_IN);
}

#[test]
fn a_rename_that_is_cut_short_leaves_the_old_or_the_new_name() {
    cut_short_everywhere(&RENAME);
    cut_short_everywhere(&RENAME_COMMAND);
}

/// Makes a change again and again, each time cut short at another system call on the files; in some
/// homes at the same time, as most of it is waiting.
fn cut_short_everywhere(change: &Change) {
    if !has_program_or_skips("strace") {
        return;
    }
    let changed: usize = thread::scope(|scope| {
        let workers =
            (0..HOMES).map(|number| scope.spawn(move || cut_short_in_turn(change, number)));
        let workers: Vec<_> = workers.collect();
        let changed = workers
            .into_iter()
            .map(|worker| worker.join().expect("every state is right"));
        changed.sum()
    });
    assert!(changed > 5, "nothing was ever half done");
}

/// Every so manieth of the cuts, in a home of its own; how often something was left changed.
fn cut_short_in_turn(change: &Change, number: usize) -> usize {
    let home = Home::new();
    home.has_done(&(change.first)());
    let before = home.files();
    let strace = Strace::on(home.paths());
    let calls = strace.calls(&home.asking(&[(change.request)(&home)]));
    let changing = calls.iter().filter(|call| call.changes_something()).count();
    assert!(changing > 5, "{calls:?}");
    let mut changed = 0;
    for cut in cuts(&calls).iter().skip(number).step_by(HOMES) {
        home.restore(&before);
        let end = strace.cut(&home.asking(&[(change.request)(&home)]), cut);
        assert!(end.has_happened, "{cut:?} does not happen");
        // What is byte for byte the old state needs no opening.
        if end.has_succeeded() || home.files() != before {
            changed += 1;
            check(change, &home, cut, end.has_succeeded());
        }
    }
    changed
}

/// Each call killed, and refused in every way that it can be.
fn cuts(calls: &BTreeSet<SystemCall>) -> Vec<Cut> {
    let mut cuts: Vec<Cut> = Vec::new();
    for call in calls {
        cuts.push(Cut::Killed(call.clone()));
        cuts.extend(
            call.can_be_refused()
                .then(|| Cut::Refused(call.clone(), FAILS)),
        );
        let more = TAKES_NOTHING.iter().filter(|_| call.changes_something());
        cuts.extend(more.map(|error| Cut::Refused(call.clone(), error)));
    }
    cuts
}

/// Looks at what is left, makes the change again, and looks once more.
fn check(change: &Change, home: &Home, cut: &Cut, has_succeeded: bool) {
    let found = states(change, home);
    for (alias, may) in change.states {
        let state = &*found[*alias];
        let done = may.last() == Some(&state);
        assert!(
            if has_succeeded {
                done
            } else {
                may.contains(&state)
            },
            "{cut:?}: {alias} has {state} of {may:?}"
        );
    }
    let has = |token: &str| found.values().any(|state| state == token);
    assert!(
        change.always.is_none_or(has),
        "{cut:?}: nobody has it: {found:?}"
    );
    let again = home.ask(&[(change.request)(home), login("later", "key")]);
    let done = again.first().expect("it is answered");
    assert!(
        done.get("denied")
            .is_none_or(|denial| denial["error"] == UNKNOWN),
        "{cut:?}: it cannot be done again: {done}"
    );
    // Whoever writes a file next removes what is left beside it.
    if change.leaves.starts_with(&COMMANDS) {
        let echo = ["/bin/echo", "b"];
        home.has_done(&[
            move_to("beta", "command", &echo),
            move_to("beta", "file", &[]),
        ]);
    }
    let later = again.last().expect("it is answered");
    assert!(later.get("logged_in").is_some(), "{cut:?}: {later}");
    for (alias, state) in states(change, home) {
        let may = change.states.iter().find(|(name, _)| *name == alias);
        assert_eq!(
            may.and_then(|(_, may)| may.last().copied()),
            Some(&*state),
            "{cut:?}: {alias}"
        );
    }
    // A file that is locked stays, whoever has made it.
    let is_locked = |path: &PathBuf| path.extension().is_some_and(|end| end == "lock");
    let names = home.files().into_keys().filter(|path| !is_locked(path));
    let names: Vec<PathBuf> = names.collect();
    assert_eq!(
        names,
        home.usual_files(change.leaves),
        "{cut:?}: something is left"
    );
}

/// What a later daemon answers to a `get` of each organization.
fn states(change: &Change, home: &Home) -> BTreeMap<&'static str, String> {
    let aliases = change.states.iter().map(|(alias, _)| *alias);
    let gets: Vec<Value> = aliases
        .clone()
        .map(|alias| json!({ "get": { "organization": alias } }))
        .collect();
    let answers = home.ask(&gets);
    assert_eq!(answers.len(), gets.len(), "{answers:?}");
    let state = |answer: &Value| {
        let of = |message: &str, field: &str| answer[message][field].as_str().map(str::to_owned);
        let state = of("lease", "access_token").or(of("denied", "error"));
        state.expect("it is a lease or a denial")
    };
    aliases.zip(answers.iter().map(state)).collect()
}
