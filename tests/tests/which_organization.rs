//! Which organization a command means: what is said first, else the default, else the only one.

#![cfg(unix)]

use ac_cred_tests::world::{Account, World};

#[test]
fn the_only_organization_needs_no_name() {
    let world = World::new();
    let only = world.login("acme");
    assert_eq!(meant(&world, &[], &[]), only.organization_id);
    assert_eq!(meant(&world, &["acme"], &[]), only.organization_id);
}

#[test]
fn the_argument_comes_before_the_option_the_variable_and_the_default() {
    let world = World::new();
    let [one, two, three, four] = ["one", "two", "three", "four"].map(|name| world.login(name));
    world.ac_cred(["use", "four"]).run().succeeded();
    let variable = [("AC_CRED_ORG", "three")];
    let words = ["one", "--org", "two"];
    assert_eq!(meant(&world, &words, &variable), one.organization_id);
    assert_eq!(
        meant(&world, &["--org", "two"], &variable),
        two.organization_id
    );
    assert_eq!(meant(&world, &[], &variable), three.organization_id);
    assert_eq!(meant(&world, &[], &[]), four.organization_id);
    assert_eq!(
        meant(&world, &[], &[("AC_CRED_ORG", "")]),
        four.organization_id
    );
}

#[test]
fn an_organization_may_be_named_by_its_guid() {
    let world = World::new();
    let accounts = ["acme", "team"].map(|name| world.login(name));
    for Account {
        organization_id, ..
    } in &accounts
    {
        assert_eq!(meant(&world, &[organization_id], &[]), *organization_id);
        let upper = organization_id.to_uppercase();
        assert_eq!(meant(&world, &["--org", &upper], &[]), *organization_id);
        let variable = [("AC_CRED_ORG", &**organization_id)];
        assert_eq!(meant(&world, &[], &variable), *organization_id);
    }
    let id = &accounts[1].organization_id;
    world.ac_cred(["use", id]).run().succeeded();
    assert_eq!(meant(&world, &[], &[]), *id);
}

#[test]
fn several_and_none_chosen_are_listed() {
    let world = World::new();
    world
        .ac_cred(["get"])
        .run()
        .refused(3)
        .says("ac-cred login ORG");
    world.login("acme");
    world.login("team");
    let output = world.ac_cred(["get"]).run();
    output.refused(3).says("acme, team").says("ac-cred use ORG");
    assert_eq!(world.sim().exchange_count(), 2);
}

#[test]
fn an_unknown_organization_is_refused_with_the_known_ones() {
    let world = World::new();
    world.login("acme");
    let output = world.ac_cred(["get", "akme"]).run();
    output
        .refused(3)
        .says("akme")
        .says("acme")
        .says("run: ac-cred login akme");
    let variable = world.ac_cred(["get"]).env("AC_CRED_ORG", "akme").run();
    variable.refused(3);
    for command in ["logout", "reject", "status", "use"] {
        world.ac_cred([command, "akme"]).run().refused(3);
    }
    world.ac_cred(["rename", "akme", "new"]).run().refused(3);
    assert_eq!(world.sim().exchange_count(), 1);
}

#[test]
fn a_name_that_can_be_none_is_refused_and_not_repeated() {
    let world = World::new();
    world.login("acme");
    let output = world
        .ac_cred(["get"])
        .env("AC_CRED_ORG", "marker key")
        .run();
    assert!(!output.refused(2).stderr.contains("marker"), "{output:?}");
    for words in [["get", "marker key"], ["get", "--org=marker/key"]] {
        let output = world.ac_cred(words).run();
        assert!(!output.refused(2).stderr.contains("marker"), "{output:?}");
    }
}

/// The organization whose token `get` prints.
#[track_caller]
fn meant(world: &World, words: &[&str], variables: &[(&str, &str)]) -> String {
    let mut run = world.ac_cred(["get", "--format", "json"]).args(words);
    for (name, value) in variables {
        run = run.env(name, value);
    }
    let lease = run.run().succeeded().json();
    let id = lease["organization_id"].as_str();
    id.expect("the token names its organization").to_owned()
}
