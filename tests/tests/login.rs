//! `login`: a credential is proved by one exchange, and only then stored.

#![cfg(unix)]

use std::{fs, io, time::Duration};

use ac_cred_tests::{
    auth_sim::{AuthSim, Fault, Options, Tls, rows::FOREIGN_ORGANIZATION},
    world::{Account, Answer, Output, World},
};

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(30);

const HOME: &str = "11111111-1111-4111-8111-111111111111";
const SUB: &str = "22222222-2222-4222-8222-222222222222";

#[test]
fn a_personal_access_key_is_exchanged_at_v3() {
    let world = World::new();
    let account = world.login("acme");
    assert_form(
        &world,
        "/auth/v3/token",
        &[("personalAccessKey", &account.key)],
    );
    let token = world.get("acme");
    assert_eq!(world.call(&token).status, 200);
    assert_eq!(world.sim().exchange_count(), 1);
}

#[test]
fn a_personal_access_key_is_exchanged_for_a_sub_organization() {
    let world = World::new();
    let account = world.account("acme");
    let key = &account.key;
    world
        .sim()
        .add_personal_access_key(key, HOME)
        .with_sub_organization(SUB);
    log_in(&world, key, &["--sub-organization", SUB]).succeeded();
    let form = [("personalAccessKey", &**key), ("subOrganization", SUB)];
    assert_form(&world, "/auth/v3/token", &form);
    assert_eq!(world.status()["organizations"][0]["organization_id"], SUB);
}

#[test]
fn a_personal_access_token_is_exchanged_at_v1() {
    let world = World::new();
    let secret = world.secrets().fresh("pat");
    world.sim().add_personal_access_token(&secret, HOME);
    log_in(&world, &secret, &["--kind", "personal-access-token"]).succeeded();
    assert_form(&world, "/auth/v1/token", &[("pat", &secret)]);
}

#[test]
fn a_personal_access_token_is_exchanged_at_v2_for_a_sub_organization() {
    let world = World::new();
    let secret = world.secrets().fresh("pat");
    world
        .sim()
        .add_personal_access_token(&secret, HOME)
        .with_sub_organization(SUB);
    let words = ["--kind", "personal-access-token", "--sub-organization", SUB];
    log_in(&world, &secret, &words).succeeded();
    let form = [
        ("pat", &*secret),
        ("subOrganization", SUB),
        ("subOrganizationId", SUB),
    ];
    assert_form(&world, "/auth/v2/token", &form);
}

#[test]
fn an_api_key_is_exchanged_by_its_name_for_an_organization() {
    let world = World::new();
    let secret = world.secrets().fresh("api-key");
    let name = "ci & deploy=50%+";
    world.sim().add_api_key(name, &secret, &[HOME, SUB]);
    let words = [
        "--kind",
        "api-key",
        "--name",
        name,
        "--organization-id",
        SUB,
    ];
    log_in(&world, &secret, &words).succeeded();
    let form = [
        ("name", name),
        ("organizationId", SUB),
        ("secret", &*secret),
    ];
    assert_form(&world, "/auth/v1/api-key/token", &form);
    assert_eq!(world.status()["organizations"][0]["kind"], "api-key");
}

#[test]
fn an_api_key_without_a_name_is_refused_before_anything_is_sent() {
    let world = World::new();
    let secret = world.secrets().fresh("api-key");
    let output = log_in(&world, &secret, &["--kind", "api-key"]);
    output.refused(2).says("--name");
    assert_nothing_happened(&world);
}

#[test]
fn a_credential_with_every_mark_arrives_as_it_is() {
    let world = World::new();
    let marks = r##"!"#$%&'()*+,-./:;<=>?@[\]^_`{|}~"##;
    let key = format!("marker-{marks}");
    world.sim().add_personal_access_key(&key, HOME);
    for end in ["", "\n", "\r\n"] {
        log_in(&world, &format!("{key}{end}"), &[]).succeeded();
    }
    for exchange in world.sim().exchanges() {
        assert_eq!(exchange.form["personalAccessKey"], key);
        assert!(!exchange.raw_body.contains('+'), "{}", exchange.raw_body);
    }
    assert_eq!(world.sim().exchange_count(), 3);
}

#[test]
fn what_is_no_credential_on_standard_input_is_refused_and_not_repeated() {
    let world = World::new();
    let long = format!("marker-{}", "k".repeat(8_192));
    let longer = format!("marker-{}", "k".repeat(1 << 20));
    let inputs: [&[u8]; 10] = [
        b"",
        b"\n",
        b"\r\n",
        b"marker key",
        b"marker-key\nmarker-second-line\n",
        b"marker-key\n\n",
        b"marker\0key",
        b"marker-\xff\xfe",
        long.as_bytes(),
        longer.as_bytes(),
    ];
    for input in inputs {
        let output = world
            .login_with("acme", input)
            .args(["--store", "memory"])
            .run();
        let shown = String::from_utf8_lossy(input.get(..40).unwrap_or(input)).into_owned();
        assert!(
            output.stderr.contains("standard input"),
            "{shown:?}: {output:?}"
        );
        assert!(!output.stderr.contains("marker"), "{shown:?}: {output:?}");
        output.refused(2);
    }
    assert_nothing_happened(&world);
}

#[test]
fn without_a_terminal_the_secret_and_the_name_have_to_be_given() {
    let world = World::new();
    world
        .ac_cred(["login", "acme", "--store", "memory"])
        .run()
        .refused(2)
        .says("--stdin");
    world
        .ac_cred(["login", "--stdin", "--store", "memory"])
        .stdin("marker-key")
        .run()
        .refused(2)
        .says("ac-cred login ORG");
    assert_nothing_happened(&world);
}

#[test]
fn at_a_terminal_what_is_missing_is_asked_for_and_no_secret_is_shown() {
    let world = World::new();
    let account = world.account("acme");
    let line = format!(
        "ac-cred login --store file --auth-url {url} --api-url {url} --ca-file ca.pem",
        url = world.sim().url()
    );
    let answers = [
        ("Name for the organization: ", Answer::Shown("acme")),
        ("New passphrase", Answer::Hidden("marker open sesame")),
        ("The same again: ", Answer::Hidden("marker open sesame")),
        ("Personal Access Key for acme", Answer::Hidden(&account.key)),
    ];
    let output = world.at_terminal(&line, &answers);
    let shown = &output.succeeded().stdout;
    assert!(shown.contains("logged in to acme"), "{shown}");
    assert!(!shown.contains("marker"), "{shown}");
    world.stop();
    let answers = [("Passphrase", Answer::Hidden("marker open sesame"))];
    let output = world.at_terminal("ac-cred unlock && ac-cred get acme -q", &answers);
    let shown = &output.succeeded().stdout;
    let token = shown.lines().last().unwrap_or_default();
    assert_eq!(world.call(token).status, 200, "{shown}");
    assert!(!shown.contains("sesame"), "{shown}");
}

#[test]
fn at_a_terminal_two_passphrases_that_differ_are_refused() {
    let world = World::new();
    let line = format!(
        "ac-cred login acme --store file --auth-url {} --ca-file ca.pem",
        world.sim().url()
    );
    let answers = [
        ("New passphrase", Answer::Hidden("marker open sesame")),
        ("The same again: ", Answer::Hidden("marker close sesame")),
    ];
    let output = world.at_terminal(&line, &answers);
    assert_eq!(output.code, 2, "{output:?}");
    assert!(output.stdout.contains("differ"), "{output:?}");
    assert!(!output.stdout.contains("marker"), "{output:?}");
    assert!(!world.credentials_path().exists());
    assert_nothing_happened(&world);
}

#[test]
fn without_a_store_login_explains_which_there_are() {
    let world = World::new();
    let account = world.account("acme");
    let output = world.login_with("acme", &account.key).run();
    output
        .refused(6)
        .says("no keyring answers here")
        .says("--store file")
        .says("--store command")
        .says("--store memory");
    assert_nothing_happened(&world);
}

#[test]
fn an_unreachable_auth_api_stores_nothing() {
    let world = World::new();
    let known = world.login("known");
    let settings = settings(&world).unwrap();
    world.sim().refuse_connections();
    for alias in ["acme", "known"] {
        let output = world
            .login_with(alias, &known.key)
            .args(["--store", "memory", "--mcp-url", "https://other.example"])
            .run();
        output.refused(5).says("could not be reached");
    }
    assert_eq!(self::settings(&world).unwrap(), settings);
    assert_eq!(names(&world), "known\n");
}

#[test]
fn a_login_that_is_not_proved_in_time_stores_nothing() {
    let world = World::new();
    let account = world.account("acme");
    let gate = world.sim().hold();
    log_in(&world, &account.key, &["--wait", "1s"])
        .refused(5)
        .says("did not answer in time");
    gate.release();
    assert!(world.sim().wait_for_answers(1, PATIENCE));
    nothing_is_known(&world);
}

#[test]
fn a_login_that_a_person_gives_up_stores_nothing() {
    let world = World::new();
    let account = world.account("acme");
    let gate = world.sim().hold();
    let login = world.login_with("acme", &account.key);
    let given_up = login.args(["--store", "memory"]).spawn();
    assert!(gate.wait_for(1, PATIENCE));
    drop(given_up);
    gate.release();
    assert!(world.sim().wait_for_answers(1, PATIENCE));
    // What comes after it in the daemon is answered after it.
    let other = world.account("other");
    let login = world.login_with("other", &other.key);
    login.args(["--store", "memory"]).run().succeeded();
    world.ac_cred(["logout", "other"]).run().succeeded();
    nothing_is_known(&world);
}

#[test]
fn a_refused_credential_is_not_stored() {
    let world = World::new();
    let output = log_in(&world, "marker-wrong-key", &[]);
    output.refused(4).says("Invalid personal access key");
    assert!(!output.stderr.contains("marker"), "{output:?}");
    assert_eq!(names(&world), "");
    assert!(!world.settings_path().exists());
    world.ac_cred(["get", "acme"]).run().refused(3);
    assert_eq!(world.sim().exchange_count(), 1);
}

#[test]
fn a_server_that_repeats_the_credential_is_not_repeated() {
    let world = World::new();
    let account = world.account("acme");
    let echo = format!(
        r#"{{"error":"invalid_grant","error_description":"{}"}}"#,
        account.key
    );
    let json = [("Content-Type", "application/json")];
    world.sim().fail_next(1, Fault::answer(401, &json, echo));
    let output = log_in(&world, &account.key, &[]);
    assert!(!output.refused(4).stderr.contains("marker"), "{output:?}");
}

#[test]
fn a_login_again_keeps_the_settings_and_replaces_the_credential_after_its_proof() {
    let world = World::new();
    let old = world.account("acme");
    log_in(&world, &old.key, &["--mcp-url", "https://mcp.example"]).succeeded();
    let again = |key: &str| {
        let words = ["login", "acme", "--stdin"];
        world.ac_cred(words).stdin(key).run()
    };
    let before = settings(&world).unwrap();
    again("marker-wrong-key").refused(4);
    assert_eq!(settings(&world).unwrap(), before);
    world
        .ac_cred(["get", "acme", "--refresh"])
        .run()
        .succeeded();
    let new = second_key(&world, &old);
    again(&new).succeeded();
    assert_eq!(settings(&world).unwrap(), before);
    world
        .ac_cred(["get", "acme", "--refresh"])
        .run()
        .succeeded();
    let sim = world.sim();
    assert_eq!(sim.exchange_count_for(&old.key), 2);
    assert_eq!(sim.exchange_count_for(&new), 2);
    assert_eq!(sim.exchange_count(), 5);
}

#[test]
fn another_organizations_credential_serves_a_sub_organization() {
    let world = World::new();
    let account = world.account("acme");
    world
        .sim()
        .add_personal_access_key(&account.key, HOME)
        .with_sub_organization(SUB);
    log_in(&world, &account.key, &[]).succeeded();
    let words = ["login", "team", "--from", "acme", "--sub-organization", SUB];
    world.ac_cred(words).run().succeeded();
    assert_eq!(names(&world), "acme\nteam\n");
    assert_eq!(organization_of(&world, "acme"), HOME);
    assert_eq!(organization_of(&world, "team"), SUB);
    assert_eq!(world.sim().exchange_count_for(&account.key), 2);
}

#[test]
fn another_organizations_credential_serves_after_the_hosts_have_changed() {
    let world = World::new();
    let account = world.login("acme");
    let moved = AuthSim::start();
    moved.add_personal_access_key(&account.key, &account.organization_id);
    let ca_file = world.write("moved.pem", moved.ca_pem());
    world
        .ac_cred(["login", "acme", "--from", "acme", "--auth-url"])
        .args([moved.url()])
        .args(["--ca-file".into(), ca_file])
        .run()
        .succeeded();
    world
        .ac_cred(["get", "acme", "--refresh"])
        .run()
        .succeeded();
    assert_eq!(moved.exchange_count_for(&account.key), 2);
    assert_eq!(world.sim().exchange_count(), 1);
    let nobody = world.ac_cred(["login", "team", "--from", "nobody"]).run();
    nobody.refused(3);
}

#[test]
fn http_needs_to_be_allowed() {
    let world = World::with_options(Options {
        tls: Tls::Plain,
        ..Options::default()
    });
    let account = world.account("acme");
    let url = world.sim().url();
    let plain = |words: &[&str]| {
        let words = [&["--auth-url", &url], words].concat();
        log_in_at(&world, &words, &account.key)
    };
    plain(&[]).refused(2).says("--allow-http");
    assert_nothing_happened(&world);
    plain(&["--allow-http"]).succeeded();
    assert!(settings(&world).unwrap().contains("allow_http = true"));
    plain(&["--allow-http=false"])
        .refused(2)
        .says("--allow-http");
    assert_eq!(world.sim().exchange_count(), 1);
}

#[test]
fn a_token_of_another_organization_than_asked_for_is_refused_and_nothing_stored() {
    let world = World::new();
    let account = world.account("acme");
    let output = log_in(
        &world,
        &account.key,
        &["--organization-id", FOREIGN_ORGANIZATION],
    );
    output.refused(6).says(FOREIGN_ORGANIZATION);
    assert_eq!(names(&world), "");
    assert!(!world.settings_path().exists());
    world.sim().omit_organization();
    let asked = ["--organization-id", &account.organization_id];
    log_in(&world, &account.key, &asked).refused(6);
    assert_eq!(names(&world), "");
}

#[test]
fn what_is_no_guid_no_url_or_no_version_is_refused_before_anything_is_sent() {
    let world = World::new();
    for words in [
        ["--organization-id", "acme"],
        ["--sub-organization", "1234"],
        ["--api-url", "api.example.com"],
        ["--mcp-url", "file:///mcp"],
        ["--auth-url", "ftp://auth.example.com"],
        ["--auth-url", "https://marker:marker@auth.example.com"],
        ["--proxy", "socks4://proxy.example.com"],
        ["--endpoint-version", "v4"],
        ["--kind", "password"],
        ["--wait", "soon"],
    ] {
        let output = log_in_at(&world, &words, "marker-key");
        assert!(!output.refused(2).stderr.contains("marker"), "{output:?}");
        output.says(words[0].trim_start_matches('-').split('-').next().unwrap());
    }
    let mut shelf = world.ac_cred(["login", "acme", "--stdin", "--store", "shelf"]);
    shelf = shelf.stdin("marker-key");
    shelf.run().refused(2).says("file, memory");
    assert_nothing_happened(&world);
}

#[test]
fn an_installations_own_certificate_authority_has_to_be_given() {
    let world = World::new();
    let account = world.account("acme");
    let url = world.sim().url();
    log_in_at(&world, &["--auth-url", &url], &account.key).refused(5);
    let foreign = world.write("foreign.pem", AuthSim::start().ca_pem());
    let foreign = foreign.to_string_lossy();
    let words = ["--auth-url", &url, "--ca-file", &foreign];
    log_in_at(&world, &words, &account.key).refused(5);
    assert!(world.sim().connections() >= 2);
    assert_eq!(world.sim().exchange_count(), 0);
    assert_eq!(names(&world), "");
}

#[test]
fn a_file_of_certificate_authorities_that_is_none_is_refused() {
    let world = World::new();
    let account = world.account("acme");
    let empty = world.write("empty.pem", "no certificate\n");
    for file in [empty, world.home().join("missing.pem"), world.home().into()] {
        let (url, file) = (world.sim().url(), file.to_string_lossy());
        let words = ["--auth-url", &*url, "--ca-file", &file];
        log_in_at(&world, &words, &account.key).refused(6);
    }
    assert_eq!(world.sim().connections(), 0);
    assert_eq!(names(&world), "");
}

#[test]
fn a_bad_alias_is_refused() {
    let world = World::new();
    let long = "a".repeat(65);
    for alias in [
        "", "-acme", ".acme", "a b", "a/b", "../a", "ä", "a\n", "a'", &long,
    ] {
        let output = world.login_with(alias, "marker-key").run();
        output.refused(2);
    }
    assert_nothing_happened(&world);
}

#[test]
fn a_secret_as_an_argument_is_refused_and_not_repeated() {
    let world = World::new();
    for words in [
        ["login", "acme", "marker-key+/="],
        ["login", "acme", "--key=marker-key"],
        ["login", "acme", "--token=marker-key"],
        ["login", "acme", "--pat=marker-key"],
        ["login", "acme", "--secret=marker-key"],
        ["login", "acme", "--password=marker-key"],
        ["login", "--credential", "marker-key"],
        ["login", "acme", "--stdin=marker-key"],
        ["unlock", "--passphrase", "marker-passphrase"],
        ["reject", "acme", "marker-token"],
    ] {
        let output = world.ac_cred(words).run();
        assert!(!output.refused(2).stderr.contains("marker"), "{output:?}");
    }
    assert_nothing_happened(&world);
}

#[test]
fn a_credential_in_the_encrypted_file_outlives_the_daemon() {
    let world = World::new();
    let account = world.account("acme");
    let passphrase = world.write("passphrase", "open sesame\n");
    let passphrase = passphrase.to_string_lossy();
    let words = ["--store", "file", "--passphrase-file", &*passphrase];
    world
        .login_with("acme", &account.key)
        .args(words)
        .run()
        .succeeded();
    let bytes = fs::read(world.credentials_path()).unwrap();
    assert!(bytes.starts_with(b"age-encryption.org/v1"));
    assert!(!bytes.windows(6).any(|window| window == b"marker"));
    world.stop();
    world
        .ac_cred(["get", "acme"])
        .run()
        .refused(6)
        .says("ac-cred unlock");
    let unlock = ["unlock", "--passphrase-file", &*passphrase];
    world.ac_cred(unlock).run().succeeded();
    world.get("acme");
    assert_eq!(world.sim().exchange_count_for(&account.key), 2);
}

#[test]
fn a_wrong_passphrase_is_refused_and_changes_nothing() {
    let world = World::new();
    let account = world.account("acme");
    let right = world.write("right", "open sesame\n");
    let wrong = world.write("wrong", "marker sesame\n");
    let log_in = |file: &std::path::Path| {
        let words = ["--store", "file", "--passphrase-file"];
        let run = world.login_with("acme", &account.key).args(words);
        run.args([file]).run()
    };
    log_in(&right).succeeded();
    let bytes = fs::read(world.credentials_path()).unwrap();
    world.stop();
    for output in [
        log_in(&wrong),
        world
            .ac_cred([
                "unlock".as_ref(),
                "--passphrase-file".as_ref(),
                wrong.as_os_str(),
            ])
            .run(),
        world
            .ac_cred(["unlock"])
            .env("AC_CRED_PASSPHRASE_FILE", &wrong)
            .run(),
    ] {
        assert!(!output.refused(6).stderr.contains("marker"), "{output:?}");
    }
    assert_eq!(fs::read(world.credentials_path()).unwrap(), bytes);
    assert_eq!(world.sim().exchange_count(), 1);
    log_in(&right).succeeded();
}

#[test]
fn the_passphrase_may_come_from_the_file_that_the_environment_names() {
    let world = World::new();
    let account = world.account("acme");
    let passphrase = world.write("passphrase", "open sesame");
    let variable = "AC_CRED_PASSPHRASE_FILE";
    world
        .login_with("acme", &account.key)
        .args(["--store", "file"])
        .env(variable, &passphrase)
        .run()
        .succeeded();
    world.stop();
    let get = world.ac_cred(["get", "acme"]).env(variable, "passphrase");
    let token = get.run().succeeded().stdout.clone();
    assert_eq!(world.call(token.trim()).status, 200);
}

#[test]
fn a_passphrase_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let world = World::new();
    let account = world.account("acme");
    let open = world.write("passphrase", "open sesame");
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    let words = ["--store", "file", "--passphrase-file", "passphrase"];
    let output = world.login_with("acme", &account.key).args(words).run();
    output.refused(6).says("chmod 600");
    assert!(!world.credentials_path().exists());
    assert_nothing_happened(&world);
}

#[test]
fn without_a_terminal_or_a_file_there_is_no_passphrase() {
    let world = World::new();
    let account = world.account("acme");
    let run = world.login_with("acme", &account.key);
    let output = run.args(["--store", "file"]).run();
    output.refused(6).says("AC_CRED_PASSPHRASE_FILE");
    assert_nothing_happened(&world);
}

#[test]
fn an_exchange_tells_whose_program_asks() {
    let world = World::new();
    world.login("acme");
    let exchange = &world.sim().exchanges()[0];
    let agent = &exchange.headers["user-agent"];
    assert!(agent.starts_with("ac-cred/"), "{agent}");
    assert_eq!(exchange.headers["accept"], "application/json");
    let kind = &exchange.headers["content-type"];
    assert_eq!(kind, "application/x-www-form-urlencoded");
    for name in ["authorization", "cookie", "referer", "accept-encoding"] {
        assert!(!exchange.headers.contains_key(name), "{name}");
    }
}

#[test]
fn a_credential_is_never_sent_where_a_redirect_points() {
    let world = World::new();
    let account = world.account("acme");
    let elsewhere = AuthSim::start();
    let target = format!("{}/auth/v3/token", elsewhere.url());
    for status in [301, 302, 303, 307, 308] {
        world.sim().fail_next(1, Fault::redirect(status, &target));
        log_in(&world, &account.key, &[]).refused(5);
    }
    assert_eq!(elsewhere.connections(), 0);
    assert_eq!(world.sim().exchange_count(), 5);
    assert_eq!(names(&world), "");
}

#[test]
fn a_proxy_of_the_environment_is_not_used() {
    let world = World::new();
    let account = world.account("acme");
    let proxy = AuthSim::start();
    let mut login = world
        .login_with("acme", &account.key)
        .args(["--store", "memory"]);
    for name in [
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "HTTPS_PROXY",
        "ALL_PROXY",
    ] {
        login = login.env(name, proxy.url());
    }
    login.env("SSL_CERT_FILE", "/dev/null").run().succeeded();
    assert_eq!(proxy.connections(), 0);
    assert_eq!(world.sim().exchange_count(), 1);
}

#[test]
fn the_default_is_chosen_at_login_when_it_is_said() {
    let world = World::new();
    world.login("acme");
    let team = world.account("team");
    let words = ["--store", "memory", "--default"];
    world
        .login_with("team", &team.key)
        .args(words)
        .run()
        .succeeded();
    assert_eq!(organization_of(&world, ""), team.organization_id);
}

/// `login acme` at the simulator with a credential in memory.
#[track_caller]
fn log_in(world: &World, credential: &str, words: &[&str]) -> Output {
    let login = world.login_with("acme", credential);
    login.args(["--store", "memory"]).args(words).run()
}

/// `login acme` wherever the words say, with a credential in memory.
#[track_caller]
fn log_in_at(world: &World, words: &[&str], credential: &str) -> Output {
    let login = world.ac_cred(["login", "acme", "--stdin", "--store", "memory"]);
    login.args(words).stdin(credential).run()
}

/// Another key for the same organization.
fn second_key(world: &World, account: &Account) -> String {
    let key = world.secrets().fresh("key");
    world
        .sim()
        .add_personal_access_key(&key, &account.organization_id);
    key
}

/// Fails unless the only exchange had this path and exactly this form.
#[track_caller]
fn assert_form(world: &World, path: &str, form: &[(&str, &str)]) {
    let exchanges = world.sim().exchanges();
    assert_eq!(exchanges.len(), 1, "{exchanges:?}");
    assert_eq!(exchanges[0].path, path);
    let fields = exchanges[0].form.iter();
    let fields: Vec<(&str, &str)> = fields.map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(fields, form);
}

/// Fails unless nothing was sent and nothing is known.
#[track_caller]
fn assert_nothing_happened(world: &World) {
    assert_eq!(world.sim().connections(), 0);
    assert!(!world.settings_path().exists());
    nothing_is_known(world);
}

#[track_caller]
fn nothing_is_known(world: &World) {
    assert_eq!(names(world), "");
    world.ac_cred(["get", "acme"]).run().refused(3);
}

fn names(world: &World) -> String {
    world.ac_cred(["list"]).run().succeeded().stdout.clone()
}

fn settings(world: &World) -> io::Result<String> {
    fs::read_to_string(world.settings_path())
}

/// The organization that a token is for; the default's without an alias.
#[track_caller]
fn organization_of(world: &World, alias: &str) -> String {
    let words = ["get", "--format", "json", alias];
    let words = words.iter().filter(|word| !word.is_empty());
    let output = world.ac_cred(words).run();
    let lease = output.succeeded().json();
    let id = lease["organization_id"].as_str();
    id.expect("the token names its organization").to_owned()
}
