//! `get` prints a token and nothing else.

use ac_cred_proto::message::{Get, Lease, Warning};
use ac_cred_proto::{Request, Response};

use crate::world::{TOKEN, Turn, World, answer, frames, lease, leased, org, said};

fn asked(requests: &[Request]) -> &Get {
    let [Request::Get(get)] = requests else {
        unreachable!("{requests:?}");
    };
    get
}

#[test]
fn a_token_and_a_line_feed_are_all_that_is_printed() {
    let world = World::new();
    let daemon = world.daemon(vec![vec![leased()]]);
    let said = world.says(&["get", "acme"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(said.stdout, format!("{TOKEN}\n"));
    assert_eq!(said.stderr, "");
    let requests = daemon.join().unwrap();
    let get = asked(&requests);
    assert_eq!(get.organization, Some(org("acme")));
    assert_eq!(get.min_ttl, None);
    assert!(!get.refresh);
    assert!((7_000..=8_000).contains(&get.wait_ms), "{}", get.wait_ms);
}

#[test]
fn json_holds_the_token_and_its_life() {
    let world = World::new();
    world.daemon(vec![vec![leased()]]);
    let said = world.says(&["get", "--format", "json"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(
        said.stdout,
        format!(
            concat!(
                r#"{{"version":1,"organization":"acme","#,
                r#""organization_id":"7a3f0000-0000-4000-8000-000000000001","#,
                r#""access_token":"{}","token_type":"Bearer","#,
                r#""expires_at":"2026-09-21T14:13:20Z","expires_in":3540,"#,
                r#""api_url":"https://api.appcircle.io"}}"#,
                "\n"
            ),
            TOKEN
        )
    );
    assert_eq!(said.stderr, "");
}

#[test]
fn what_is_demanded_is_asked_for() {
    let world = World::new();
    let daemon = world.daemon(vec![vec![leased()]]);
    let words = ["get", "--min-ttl", "5m", "--refresh", "--wait", "2s", "-q"];
    assert_eq!(world.says(&words).code, 0);
    let requests = daemon.join().unwrap();
    let get = asked(&requests);
    assert_eq!(get.organization, None);
    assert_eq!(get.min_ttl, Some(300));
    assert!(get.refresh);
    assert!((1_000..=2_000).contains(&get.wait_ms), "{}", get.wait_ms);
}

#[test]
fn the_argument_then_the_option_then_the_environment_is_meant() {
    for (words, expected) in [
        (&["get", "a", "--org", "b"][..], "a"),
        (&["get", "--org", "b"], "b"),
        (&["get"], "c"),
    ] {
        let world = World::new();
        let daemon = world.daemon(vec![vec![leased()]]);
        let said = said(world.client(words).env("AC_CRED_ORG", "c"));
        assert_eq!(said.code, 0, "{said:?}");
        let requests = daemon.join().unwrap();
        assert_eq!(asked(&requests).organization, Some(org(expected)));
    }
}

#[test]
fn an_environment_that_holds_no_name_is_a_usage_error() {
    let world = World::new();
    let said = said(world.client(&["get"]).env("AC_CRED_ORG", "marker key"));
    said.is_refused(2);
    assert!(said.stderr.contains("AC_CRED_ORG"), "{said:?}");
    assert!(!said.stderr.contains("marker"), "{said:?}");
}

#[test]
fn an_answer_that_comes_byte_by_byte_is_an_answer() {
    let world = World::new();
    let frame = frames(&[Response::Lease(Box::new(lease()))]);
    world.daemon(vec![vec![Turn::Trickle(frame)]]);
    assert_eq!(world.says(&["get"]).stdout, format!("{TOKEN}\n"));
}

#[test]
fn the_last_token_of_a_refused_credential_is_printed_with_a_warning() {
    for (words, warnings) in [(&["get"][..], 1), (&["get", "-q"], 0)] {
        let world = World::new();
        world.daemon(vec![vec![answer(Response::Lease(Box::new(Lease {
            warning: Some(Warning::CredentialRefused),
            ..lease()
        })))]]);
        let said = world.says(words);
        assert_eq!(said.code, 0, "{said:?}");
        assert_eq!(said.stdout, format!("{TOKEN}\n"));
        assert_eq!(said.stderr.lines().count(), warnings, "{said:?}");
        let names_the_login = said.stderr.contains("run: ac-cred login acme");
        assert_eq!(names_the_login, warnings == 1, "{said:?}");
    }
}

#[test]
fn a_daemon_that_ends_before_its_answer_is_asked_once_more() {
    let world = World::new();
    let daemon = world.daemon(vec![vec![Turn::Answer(Vec::new())], vec![leased()]]);
    assert_eq!(world.says(&["get"]).stdout, format!("{TOKEN}\n"));
    assert_eq!(daemon.join().unwrap().len(), 2);
}
