//! `exec`: the program gets the token, and is otherwise run as without `ac-cred`.

#![cfg(unix)]

use std::collections::BTreeSet;

use ac_cred_tests::{
    auth_sim::Fault,
    world::{Output, World},
};
use serde_json::json;

#[test]
fn the_program_gets_the_token_and_the_addresses_and_nothing_else_changes() {
    let world = World::new();
    world.login("acme");
    let token = world.get("acme");
    let url = world.sim().url();
    let before = variables(&world.program("/usr/bin/env").env("OWN", "1").run());
    let words = ["exec", "acme", "--env", "HURL_VARIABLE_t", "--env", "_t2"];
    let run = world.ac_cred(words).args(["--", "/usr/bin/env"]);
    let output = run.env("OWN", "1").env("AC_API_ENDPOINT", "x").run();
    assert_eq!(output.stderr, "");
    let expected = [
        format!("AC_ACCESS_TOKEN={token}"),
        format!("APPCIRCLE_ACCESS_TOKEN={token}"),
        format!("HURL_VARIABLE_t={token}"),
        format!("_t2={token}"),
        format!("AC_API_ENDPOINT={url}"),
        format!("AC_AUTH_ENDPOINT={url}"),
    ];
    let expected = before.into_iter().chain(expected).collect();
    assert_eq!(variables(&output), expected);
}

#[test]
fn the_program_is_the_same_process_and_its_end_is_its_own() {
    let world = World::new();
    world.login("acme");
    let line = "echo $$; exec ac-cred exec acme -- sh -c 'echo $$; exit 7'";
    let output = world.shell(line).run();
    let pids: Vec<_> = output.stdout.lines().collect();
    assert_eq!(output.code, 7, "{output:?}");
    assert_eq!(pids[0], pids[1]);
    let killed = exec(&world, &["sh", "-c", "kill -TERM $$; exit 1"]);
    assert_eq!(killed.code, -1, "it is ended by a signal: {killed:?}");
    let echoed = world.ac_cred(["exec", "acme", "--", "cat"]).stdin("in");
    assert_eq!(echoed.run().succeeded().stdout, "in");
}

#[test]
fn every_word_behind_the_dashes_is_the_programs() {
    let world = World::new();
    world.login("acme");
    let words = [
        "--", "--json", "-q", "--org", "x y", "", "$(a)", "'\"\\", "ä\n",
    ];
    let printf = [&["printf", "<%s>"][..], &words].concat();
    let expected = format!("<{}>", words.join("><"));
    assert_eq!(exec(&world, &printf).succeeded().stdout, expected);
    let missing = exec(&world, &["nosuch", "--format", "json"]);
    missing.refused(127).says("ac-cred: there is no command");
}

#[test]
fn what_cannot_be_run_ends_as_in_a_shell() {
    let world = World::new();
    world.login("acme");
    world.write("plain", "no program");
    for (program, code) in [
        ("nosuch", 127),
        ("./nosuch", 127),
        ("/nosuch/nosuch", 127),
        ("./plain", 126),
        ("/", 126),
    ] {
        exec(&world, &[program]).refused(code).says(program);
    }
}

#[test]
fn without_a_token_the_program_is_not_started() {
    let world = World::new();
    let account = world.login("acme");
    let touch = ["--", "touch", "started"];
    let refused = |words: &[&str], code: i32| {
        let run = world.ac_cred([&["exec"], words, &touch].concat());
        run.run().refused(code);
    };
    refused(&["nobody"], 3);
    refused(&["acme", "--env", "1x"], 2);
    refused(&["acme", "--env", "a=b"], 2);
    refused(&["acme", "--env", "AC_CRED_ORG"], 2);
    refused(&["acme", "--env", "AC_AUTH_ENDPOINT"], 2);
    refused(&["acme", "--min-ttl", "2h"], 5);
    let of_a_project = world.ac_cred([&["exec", "acme"], &touch[..]].concat());
    of_a_project
        .env("CLAUDE_CODE_MCP_SERVER_URL", "https://evil.example")
        .run()
        .refused(6);
    let other = world.login("other");
    let only = world.sim().only_organization(&other.organization_id);
    only.fail_always(Fault::access_token(json!("x\nAC_EVIL=1")));
    world.ac_cred(["reject", "other"]).run().refused(5);
    refused(&["other", "--wait", "1s"], 5);
    world.sim().revoke(&account.key);
    world.ac_cred(["reject", "acme"]).run().refused(4);
    refused(&["acme"], 4);
    world.stop();
    refused(&["acme", "--no-start"], 7);
    assert!(!world.home().join("started").exists());
}

#[test]
fn what_is_typed_wrongly_is_told_with_the_help_to_read() {
    let world = World::new();
    for (words, said) in [
        (&["exec"][..], "<CMD>... is missing"),
        (&["exec", "acme", "--"], "<CMD>... is missing"),
        (&["exec", "acme", "true"], "stands behind --"),
        (&["exec", "--for", "x", "--", "true"], "appcircle-cli"),
    ] {
        let output = world.ac_cred(words).run();
        output.refused(2).says(said).says("ac-cred exec --help");
    }
}

#[test]
fn the_last_token_of_a_refused_credential_is_told_of() {
    let world = World::new();
    let account = world.login("acme");
    world.sim().revoke(&account.key);
    world.ac_cred(["get", "acme", "--refresh"]).run().refused(4);
    let output = exec(&world, &["true"]);
    output.succeeded().says("ac-cred login acme");
    let quiet = world.ac_cred(["exec", "acme", "-q", "--", "true"]).run();
    assert_eq!((quiet.code, &*quiet.stderr), (0, ""));
}

#[cfg(target_os = "linux")]
#[test]
fn the_program_has_its_callers_descriptors_and_none_of_ours() {
    let world = World::new();
    let account = world.account("acme");
    let variable = "AC_CRED_PASSPHRASE_FILE";
    let passphrase = world.write("passphrase", "open sesame");
    let login = world.login_with("acme", &account.key);
    login
        .args(["--store", "file"])
        .env(variable, &passphrase)
        .run()
        .succeeded();
    world.write("input", "of the caller");
    let look = "ls /proc/self/fd | xargs; cat <&7";
    let plain = format!("exec 7<input; sh -c '{look}'");
    let expected = world.shell(&plain).run().succeeded().stdout.clone();
    for more in ["", "--token-file T"] {
        let line = format!("exec 7<input; ac-cred exec acme {more} -- sh -c '{look}'");
        let run = || world.shell(&line).env(variable, &passphrase).run();
        assert_eq!(run().succeeded().stdout, expected, "{more}");
        world.stop();
        let cold = run();
        assert_eq!(cold.succeeded().stdout, expected, "{more}, without daemon");
    }
    assert_eq!(world.daemons().len(), 1);
}

fn exec(world: &World, words: &[&str]) -> Output {
    world.ac_cred(["exec", "acme", "--"]).args(words).run()
}

fn variables(output: &Output) -> BTreeSet<String> {
    let lines = output.succeeded().stdout.lines();
    lines.map(str::to_owned).collect()
}
