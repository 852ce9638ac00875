//! The end of a credential: said at login or by the credential, shown, and told of in time.

#![cfg(unix)]

use ac_cred_tests::world::{Output, World};

/// A day in which every credential has ended.
const PAST: &str = "2020-02-02";

/// A day before which no credential is told of.
const FAR: &str = "9000-01-01";

fn log_in(world: &World, alias: &str, expires: &str) -> Output {
    let account = world.account(alias);
    let login = world.login_with(alias, &account.key);
    let login = login.args(["--store", "memory", "--expires", expires]);
    login.run()
}

fn told(world: &World, words: &[&str]) -> String {
    let output = world.ac_cred(words).run();
    output.succeeded().stderr.clone()
}

#[test]
fn the_end_that_is_said_is_shown_with_a_daemon_and_without_one() {
    let world = World::new();
    log_in(&world, "acme", FAR).succeeded();
    for has_daemon in [true, false] {
        let status = world.status();
        assert_eq!(status["daemon"].is_null(), !has_daemon);
        let end = &status["organizations"][0]["credential_expires_at"];
        assert_eq!(end, "9000-01-01T00:00:00Z");
        let table = world.ac_cred(["status"]).run();
        let line = "the credential of acme expires on 9000-01-01, in ";
        assert!(table.succeeded().stdout.contains(line), "{table:?}");
        if has_daemon {
            assert_eq!(told(&world, &["get", "acme"]), "");
            world.stop();
        }
    }
}

#[test]
fn a_credential_that_ends_is_told_of_once_and_not_to_the_quiet() {
    let world = World::new();
    log_in(&world, "acme", PAST).succeeded();
    let said = told(&world, &["get", "acme"]);
    assert!(
        said.contains("the credential of acme has expired on 2020-02-02; run: ac-cred login acme"),
        "{said}"
    );
    assert_eq!(told(&world, &["get", "acme"]), "");
    log_in(&world, "quiet", PAST).succeeded();
    assert_eq!(told(&world, &["get", "quiet", "-q"]), "");
}

#[test]
fn a_legacy_token_names_its_own_end() {
    let world = World::new();
    let guid = "7a3f0000-0000-4000-8000-000000000001";
    let token = "cmFuZG9tfDE3OTAxMDAwMDAwMDB8N2EzZjAwMDAtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAx";
    world.sim().add_personal_access_token(token, guid);
    let login = world.login_with("acme", token);
    let login = login.args(["--kind", "personal-access-token", "--store", "memory"]);
    login.run().succeeded();
    let end = &world.status()["organizations"][0]["credential_expires_at"];
    assert_eq!(end, "2026-09-22T18:00:00Z");
}

#[test]
fn a_day_that_is_none_is_refused() {
    let world = World::new();
    for wrong in ["soon", "2026-02-30", "1.10.2026", ""] {
        log_in(&world, "acme", wrong).refused(2).says("--expires");
    }
    assert!(world.daemons().is_empty());
}
