//! What goes wrong ends with its exit code, one line on stderr and nothing on stdout.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use ac_cred_proto::message::Done;
use ac_cred_proto::{Denial, ErrorCode, Response};

use crate::world::{TOKEN, Turn, World, denied, done, frames, lease, said};

fn exit_code(error: ErrorCode) -> i32 {
    match error {
        ErrorCode::Internal => 1,
        ErrorCode::Usage => 2,
        ErrorCode::UnknownOrganization | ErrorCode::NoOrganizationChosen => 3,
        ErrorCode::LoginRequired | ErrorCode::CredentialRefused => 4,
        ErrorCode::AuthApiUnreachable
        | ErrorCode::AuthApiBadAnswer
        | ErrorCode::RateLimited
        | ErrorCode::TokenTooShort
        | ErrorCode::Busy => 5,
        ErrorCode::WrongOrganization
        | ErrorCode::Locked
        | ErrorCode::StoreUnreadable
        | ErrorCode::UnsafeFiles
        | ErrorCode::NotApproved
        | ErrorCode::BindingChanged => 6,
        ErrorCode::DaemonUnreachable => 7,
    }
}

#[test]
fn every_denial_has_its_exit_code() {
    for &error in ErrorCode::ALL {
        let world = World::new();
        world.daemon(vec![vec![denied(
            Denial::new(error, "why").hint("ac-cred login acme"),
        )]]);
        let said = world.says(&["get", "acme"]);
        said.is_refused(exit_code(error));
        assert_eq!(said.stderr, "ac-cred: why; run: ac-cred login acme\n");
    }
}

#[test]
fn a_denial_is_json_when_json_is_asked_for() {
    let world = World::new();
    let denial = Denial::new(ErrorCode::RateLimited, "why").retry_after(Some(7));
    world.daemon(vec![vec![denied(denial)]]);
    let said = world.says(&["get", "--format", "json"]);
    said.is_refused(5);
    assert_eq!(
        said.stderr,
        "{\"version\":1,\"error\":\"rate_limited\",\"message\":\"why\",\"hint\":null,\"retry_after\":7}\n"
    );
}

#[test]
fn a_denial_cannot_steer_the_terminal() {
    let world = World::new();
    let denial = Denial::new(ErrorCode::AuthApiBadAnswer, "a\u{1b}[2J\r\nb").hint("c\u{9b}d");
    world.daemon(vec![vec![denied(denial)]]);
    assert_eq!(world.says(&["get"]).stderr, "ac-cred: a[2Jb; run: cd\n");
}

#[test]
fn an_answer_that_is_no_answer_is_refused() {
    let whole = frames(&[Response::Lease(Box::new(lease()))]);
    let mut of_another_version = whole.clone();
    of_another_version[4] = 9;
    let mut with_more = whole.clone();
    with_more.push(0);
    with_more[3] += 1;
    for bytes in [
        vec![0xff; 64],
        vec![0, 1, 0, 1, 1],
        vec![0, 0, 0, 0],
        vec![0, 0, 0, 2, 1, 250],
        b"{\"lease\":{}}\n".to_vec(),
        of_another_version,
        with_more,
        frames(&[Response::Done(Done {})]),
    ] {
        let world = World::new();
        world.daemon(vec![vec![Turn::Answer(bytes.clone())]]);
        let said = world.says(&["get"]);
        said.is_refused(7);
        assert!(!said.stderr.contains(TOKEN), "{said:?}");
    }
}

#[test]
fn an_answer_that_breaks_off_twice_is_refused() {
    let whole = frames(&[Response::Lease(Box::new(lease()))]);
    for length in [1, 4, 5, whole.len() - 1] {
        let world = World::new();
        let part = || vec![Turn::Answer(whole[..length].to_vec())];
        let daemon = world.daemon(vec![part(), part()]);
        world.says(&["get"]).is_refused(7);
        assert_eq!(daemon.join().unwrap().len(), 2);
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the call's length is the promise"
)]
fn a_daemon_that_never_answers_is_given_up_after_a_second() {
    let world = World::new();
    world.daemon(vec![vec![Turn::Silence]]);
    let begin = Instant::now();
    let said = world.says(&["get", "--wait", "0"]);
    said.is_refused(7);
    assert!(said.stderr.contains("in time"), "{said:?}");
    assert!(begin.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_directory_that_others_can_enter_is_refused_before_anything_is_sent() {
    let world = World::new();
    let _listener = world.listener();
    for mode in [0o755, 0o710, 0o701] {
        fs::set_permissions(world.home(), Permissions::from_mode(mode)).unwrap();
        for words in [&["get"][..], &["list"], &["status"], &["daemon", "stop"]] {
            let said = world.says(words);
            said.is_refused(6);
            assert!(said.stderr.contains("chmod 700"), "{said:?}");
        }
    }
}

#[test]
fn a_link_to_the_directory_is_refused() {
    let world = World::new();
    let directory = world.home().join("directory");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
    let link = world.home().join("link");
    std::os::unix::fs::symlink(&directory, &link).unwrap();
    said(
        world
            .client(&["get"])
            .env("AC_CRED_SOCKET", link.join("v1.sock")),
    )
    .is_refused(6);
}

#[test]
fn a_relative_endpoint_is_refused() {
    let world = World::new();
    let said = said(world.client(&["get"]).env("AC_CRED_SOCKET", "v1.sock"));
    said.is_refused(7);
    assert!(said.stderr.contains("AC_CRED_SOCKET"), "{said:?}");
}

#[test]
fn an_endpoint_with_too_long_a_path_is_refused() {
    let world = World::new();
    let socket = world.home().join("x".repeat(120));
    let said = said(world.client(&["get"]).env("AC_CRED_SOCKET", socket));
    said.is_refused(7);
    assert!(said.stderr.contains("AC_CRED_SOCKET"), "{said:?}");
}

#[test]
fn no_daemon_is_started_unasked() {
    let world = World::new();
    world.says(&["get", "--no-start"]).is_refused(7);
    drop(world.listener());
    world.says(&["get", "--no-start"]).is_refused(7);
}

#[test]
fn a_command_that_changes_something_is_not_repeated() {
    let world = World::new();
    let daemon = world.daemon(vec![vec![Turn::Answer(Vec::new())]]);
    world.says(&["rename", "a", "b"]).is_refused(7);
    assert_eq!(daemon.join().unwrap().len(), 1);
}

#[test]
fn an_answer_to_another_question_is_refused() {
    for words in [&["get"][..], &["reject"], &["list"], &["status"]] {
        let world = World::new();
        world.daemon(vec![vec![done(), done()]]);
        assert_eq!(world.says(words).code, 7, "{words:?}");
    }
}
