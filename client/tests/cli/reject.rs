//! `reject` takes the refused token from standard input, where there is one.

use std::process::Stdio;

use ac_cred_proto::Request;
use ac_cred_proto::secret::SessionToken;

use crate::world::{TOKEN, World, leased, said_to, what_was_said};

#[test]
fn the_token_on_standard_input_is_the_refused_one() {
    for (input, expected) in [
        (format!("{TOKEN}\n"), Some(TOKEN)),
        (TOKEN.to_owned(), Some(TOKEN)),
        (String::new(), None),
        ("\n".to_owned(), None),
    ] {
        let world = World::new();
        let daemon = world.daemon(vec![vec![leased()]]);
        let said = said_to(&mut world.client(&["reject", "acme"]), input.as_bytes());
        assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{said:?}");
        assert_eq!(
            said.stderr,
            "ac-cred: acme has a new token, valid for 59 min\n"
        );
        let requests = daemon.join().unwrap();
        let [Request::Reject(reject)] = &requests[..] else {
            panic!("{requests:?}");
        };
        let token = reject.token.as_ref().map(SessionToken::expose);
        assert_eq!(token, expected);
    }
}

#[test]
fn what_is_no_token_is_refused_and_not_repeated() {
    let world = World::new();
    let said = said_to(&mut world.client(&["reject"]), b"marker secret\n");
    said.is_refused(2);
    assert!(!said.stderr.contains("marker"), "{said:?}");
    let long = "m".repeat(20_000);
    said_to(&mut world.client(&["reject"]), long.as_bytes()).is_refused(2);
}

#[test]
fn a_pipe_that_nobody_writes_to_holds_no_token() {
    let world = World::new();
    let daemon = world.daemon(vec![vec![leased()]]);
    let mut child = world
        .client(&["reject"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let silent = child.stdin.take();
    let said = what_was_said(child.wait_with_output().unwrap());
    drop(silent);
    assert_eq!(said.code, 0, "{said:?}");
    let requests = daemon.join().unwrap();
    assert!(
        matches!(&requests[..], [Request::Reject(reject)] if reject.token.is_none()),
        "{requests:?}"
    );
}
