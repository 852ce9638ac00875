//! Commands that only ask or change what is known: their requests, and what is said of the answers.

use ac_cred_proto::message::{DaemonStatus, Name, OrganizationStatus};
use ac_cred_proto::settings::{Kind, Store};
use ac_cred_proto::{Denial, ErrorCode, Request, Response};

use crate::world::{Turn, World, done, end, frames, org};

fn name(alias: &str) -> Response {
    Response::Name(Name {
        organization: org(alias),
    })
}

fn organization(alias: &str, default: bool) -> Response {
    Response::Organization(Box::new(OrganizationStatus {
        organization: org(alias),
        organization_id: None,
        default,
        kind: Kind::PersonalAccessKey,
        store: Store::File,
        auth_url: "https://auth.appcircle.io".to_owned(),
        api_url: "https://api.appcircle.io".to_owned(),
        token: None,
        last_exchange: None,
        last_error: None,
        credential_expires_at: None,
    }))
}

fn daemon_status() -> Response {
    Response::Daemon(DaemonStatus {
        version: "0.1.0".to_owned(),
        pid: 1,
        socket: "/run/user/1000/ac-cred/v1.sock".to_owned(),
        uptime: 12,
        locked: false,
    })
}

#[test]
fn the_daemons_list_is_printed_in_its_order() {
    let world = World::new();
    let sequence = frames(&[name("b"), name("a"), end()]);
    world.daemon(vec![vec![Turn::Answer(sequence)]]);
    assert_eq!(world.says(&["list"]).stdout, "b\na\n");
}

#[test]
fn a_list_that_breaks_off_is_not_printed() {
    let world = World::new();
    let part = || vec![Turn::Answer(frames(&[name("a")]))];
    world.daemon(vec![part(), part()]);
    world.says(&["list"]).is_refused(7);
}

#[test]
fn a_list_that_ends_with_a_denial_is_not_printed() {
    let world = World::new();
    let denial = Response::Denied(Denial::new(ErrorCode::StoreUnreadable, "why"));
    world.daemon(vec![vec![Turn::Answer(frames(&[name("a"), denial]))]]);
    world.says(&["list"]).is_refused(6);
}

#[test]
fn the_status_of_the_daemon_is_printed_as_it_is() {
    let world = World::new();
    let sequence = [daemon_status(), organization("acme", true), end()];
    world.daemon(vec![vec![Turn::Answer(frames(&sequence))]]);
    assert_eq!(
        world.says(&["status", "--json"]).stdout,
        concat!(
            r#"{"version":1,"daemon":{"version":"0.1.0","pid":1,"#,
            r#""socket":"/run/user/1000/ac-cred/v1.sock","uptime":12,"locked":false},"#,
            r#""organizations":[{"organization":"acme","organization_id":null,"default":true,"#,
            r#""kind":"personal-access-key","store":"file","#,
            r#""auth_url":"https://auth.appcircle.io","api_url":"https://api.appcircle.io","#,
            r#""token":null,"last_exchange":null,"last_error":null,"#,
            r#""credential_expires_at":null}]}"#,
            "\n"
        )
    );
}

#[test]
fn an_organization_is_chosen_renamed_and_forgotten() {
    let world = World::new();
    let forgotten = Turn::Answer(frames(&[name("acme"), end()]));
    let daemon = world.daemon(vec![vec![done()], vec![done()], vec![forgotten]]);
    for (words, expected) in [
        (
            &["use", "acme"][..],
            "ac-cred: acme is the default organization\n",
        ),
        (&["rename", "old", "new"], "ac-cred: old is called new\n"),
        (
            &["logout", "acme"],
            "ac-cred: acme forgotten; Appcircle is not told: delete the key there, under My \
             Organization > Security > Personal Access Key, or API keys\n",
        ),
    ] {
        let said = world.says(words);
        assert_eq!((said.code, said.stdout.as_str()), (0, ""), "{said:?}");
        assert_eq!(said.stderr, expected);
    }
    let requests = daemon.join().unwrap();
    let [
        Request::Use(_),
        Request::Rename(rename),
        Request::Logout(logout),
    ] = &requests[..]
    else {
        panic!("{requests:?}");
    };
    assert_eq!((&rename.old, &rename.new), (&org("old"), &org("new")));
    assert_eq!(logout.organization, Some(org("acme")));
    assert!(!logout.all);
}

#[test]
fn all_organizations_are_forgotten_and_named() {
    let world = World::new();
    let sequence = frames(&[name("acme"), name("beta"), end()]);
    let daemon = world.daemon(vec![vec![Turn::Answer(sequence)]]);
    let said = world.says(&["logout", "--all"]);
    assert!(said.stderr.contains("acme, beta forgotten"), "{said:?}");
    let requests = daemon.join().unwrap();
    assert!(
        matches!(&requests[..], [Request::Logout(logout)] if logout.all),
        "{requests:?}"
    );
}
