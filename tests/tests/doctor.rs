//! `doctor` finds what is wrong, says what mends it, and sends no secret to find out.

#![cfg(unix)]

use std::{
    fs::{self, Permissions},
    io::{self, Read, Write},
    net::TcpListener,
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    thread,
    time::Duration,
};

use ac_cred_proto::{
    Request, Response,
    frame::{Encoding, HEADER_LENGTH, payload_length},
    message::{Check, DaemonStatus, End, Server},
};
use ac_cred_tests::world::{Output, World};
use serde_json::{Value, json};

#[test]
fn all_is_well_in_a_world_that_is_and_no_credential_is_sent() {
    let world = World::new();
    world.login("acme");
    world.login("team");
    world.ac_cred(["use", "acme"]).run().succeeded();
    let output = world.ac_cred(["doctor"]).run();
    output.succeeded().says("all is well");
    for line in [
        "ok    program",
        "ok    proxy",
        "ok    dns",
        "ok    certificate",
        "ok    auth server",
        "ok    api server",
        "ok    clock",
    ] {
        assert!(output.stdout.contains(line), "no {line:?} in {output:?}");
    }
    assert!(
        output.stdout.contains("for acme and one other"),
        "{output:?}"
    );
    assert!(!output.stdout.contains('\u{1b}'), "{output:?}");
    let report = doctor(&world, 0);
    assert_eq!(
        (&report["version"], &report["well"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(world.sim().exchange_count(), 2);
    let certificate = finding(&report, "certificate")["message"].to_string();
    let trusted = format!("trusted by {}", world.ca_file().display());
    for part in ["signed by ", "expires on ", &trusted] {
        assert!(certificate.contains(part), "{certificate}");
    }
    let keyring = finding(&report, "keyring")["message"].to_string();
    assert!(
        keyring.contains("none is used; no keyring answers here"),
        "{keyring}"
    );
    assert_eq!(
        all(&report, "certificate").count(),
        1,
        "one server has one certificate"
    );
}

#[test]
fn where_nothing_is_known_yet_nothing_is_wrong() {
    let world = World::new();
    let report = doctor(&world, 0);
    let settings = finding(&report, "settings");
    assert_eq!(settings["fix"], "ac-cred login ORG");
    assert_eq!(settings["verdict"], "note");
}

#[test]
fn a_server_that_is_not_there_or_not_trusted_is_told_with_what_mends_it() {
    let world = World::new();
    world.login("acme");
    let nowhere = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("https://{}", listener.local_addr().unwrap())
    };
    set(&world, "mcp_url", &nowhere);
    let report = doctor(&world, 5);
    let server = finding(&report, "mcp server");
    assert_eq!(server["error"], "auth_api_unreachable");
    assert_eq!(server["fix"], format!("curl -I '{nowhere}'"));
    let message = server["message"].as_str().unwrap();
    assert!(
        message.ends_with("could not be reached (Connection refused), for acme"),
        "{message}"
    );
    assert_eq!(finding(&report, "auth server")["verdict"], "ok");

    let other = World::new();
    fs::copy(other.ca_file(), world.ca_file()).unwrap();
    let report = doctor(&world, 5);
    let server = finding(&report, "auth server");
    assert!(
        server["message"].as_str().unwrap().contains("certificate"),
        "{server}"
    );
    assert_eq!(
        server["fix"],
        "ac-cred login acme --from acme --ca-file FILE"
    );
    let certificate = finding(&report, "certificate");
    assert_eq!(
        (&certificate["verdict"], &certificate["fix"]),
        (&json!("fail"), &server["fix"])
    );

    set(&world, "proxy", "http://127.0.0.1:9");
    let report = doctor(&world, 5);
    for check in ["api server", "proxy"] {
        let found = finding(&report, check);
        let fix = "ac-cred login acme --from acme --proxy URL";
        assert_eq!(
            (&found["verdict"], &found["fix"]),
            (&json!("fail"), &json!(fix))
        );
    }
}

#[test]
fn a_name_that_nobody_knows_is_told_as_such() {
    let world = World::new();
    world.login("acme");
    // RFC 6761 keeps such names from ever being known.
    set(&world, "mcp_url", "https://mcp.ac-cred.invalid");
    let report = doctor(&world, 5);
    let dns = finding(&report, "dns");
    assert_eq!(
        (&dns["verdict"], &dns["fix"]),
        (&json!("fail"), &json!("getent hosts mcp.ac-cred.invalid"))
    );
    assert_eq!(
        finding(&report, "mcp server")["error"],
        "auth_api_unreachable"
    );
}

#[test]
fn a_daemon_of_another_version_is_told_with_the_command_that_ends_it() {
    let world = World::new();
    world.login("acme");
    world.stop();
    let listener = UnixListener::bind(world.socket()).unwrap();
    chmod(&world.socket(), 0o600);
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer_as_of_yesterday(stream.unwrap()).ok();
        }
    });
    let report = doctor(&world, 7);
    let daemon = finding(&report, "daemon");
    assert_eq!(
        (&daemon["error"], &daemon["fix"]),
        (&json!("daemon_unreachable"), &json!("ac-cred daemon stop"))
    );
    let message = daemon["message"].as_str().unwrap();
    assert!(
        message.starts_with("ac-credd 0.0.9 is not of the version"),
        "{message}"
    );
}

/// Answers each request of a connection as a daemon of another version that knows nothing would.
fn answer_as_of_yesterday(mut stream: UnixStream) -> io::Result<()> {
    loop {
        let mut header = [0; HEADER_LENGTH];
        stream.read_exact(&mut header)?;
        let length = payload_length(header).map_err(io::Error::other)?;
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload)?;
        let request: Request = Encoding::Binary
            .decode(&payload)
            .map_err(io::Error::other)?;
        let mut answers = Vec::new();
        if let Request::Status(_) = request {
            answers.push(Response::Daemon(DaemonStatus {
                version: "0.0.9".to_owned(),
                pid: 1,
                socket: String::new(),
                uptime: 1,
                locked: false,
            }));
        }
        for answer in answers.into_iter().chain([Response::End(End {})]) {
            let frame = Encoding::Binary.encode(&answer).map_err(io::Error::other)?;
            stream.write_all(&frame)?;
        }
    }
}

#[test]
fn a_passphrase_file_that_cannot_serve_is_told_with_what_mends_it() {
    let world = World::new();
    let account = world.account("acme");
    let file = world.write("passphrase", "open sesame");
    let login = world.login_with("acme", &account.key);
    let login = login
        .args(["--store", "file", "--passphrase-file"])
        .args([&file]);
    login.run().succeeded();
    let passphrase = |path: &Path, code| {
        let doctor = world.ac_cred(["doctor", "--json"]);
        let output = doctor.env("AC_CRED_PASSPHRASE_FILE", path).run();
        assert_eq!(output.code, code, "{output:?}");
        finding(&output.json(), "passphrase").clone()
    };
    assert_eq!(
        passphrase(&file, 0)["message"],
        format!("read from {}", file.display())
    );
    chmod(&file, 0o640);
    let fix = format!("chmod 600 '{}'", file.display());
    assert_eq!(passphrase(&file, 6)["fix"], fix);
    let nowhere = world.home().join("nowhere");
    assert_eq!(
        passphrase(&nowhere, 6)["fix"],
        "unset AC_CRED_PASSPHRASE_FILE"
    );
    let asked = doctor(&world, 0);
    assert_eq!(finding(&asked, "passphrase")["verdict"], "ok");
}

#[test]
fn a_person_who_waits_for_a_slow_line_is_told_why() {
    let world = World::new();
    world.login("acme");
    let slow = TcpListener::bind("127.0.0.1:0").unwrap();
    set(
        &world,
        "api_url",
        &format!("https://{}", slow.local_addr().unwrap()),
    );
    thread::spawn(move || {
        let (mut stream, _) = slow.accept().unwrap();
        // It says nothing for longer than a person waits without a word, and then leaves.
        stream
            .set_read_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        io::copy(&mut stream, &mut io::sink()).ok();
    });
    let output = world.at_terminal("ac-cred doctor", &[]);
    assert_eq!(output.code, 5, "{output:?}");
    let told = "waiting for servers to answer, for 10 seconds at most";
    assert!(output.stdout.contains(told), "{output:?}");
}

#[test]
fn what_the_environment_says_to_nobody_is_told() {
    let world = World::new();
    world.login("acme");
    let told = |name: &str, value: &str| {
        let output = world.ac_cred(["doctor", "--json"]).env(name, value).run();
        let report = output.json();
        let notes: Vec<_> = all(&report, "environment").cloned().collect();
        let about = notes
            .into_iter()
            .find(|note| note["message"].to_string().contains(name));
        about.unwrap_or_else(|| panic!("nothing of {name} in {report}"))
    };
    assert_eq!(told("AC_CRED_ORG", "acme")["fix"], "ac-cred use --here ORG");
    assert_eq!(
        told("AC_CRED_SOCKET", &world.socket().display().to_string())["verdict"],
        "note"
    );
}

#[test]
fn a_server_is_asked_for_its_head_and_told_nothing() {
    let world = World::new();
    let account = world.login("acme");
    let token = world.get("acme");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let heard = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let answer = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\n\
                      Date: Wed, 25 Nov 2020 03:00:00 GMT\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(head).unwrap().to_lowercase()
    });
    set(&world, "mcp_url", &url);
    let report = doctor(&world, 5);
    let request = heard.join().unwrap();
    assert!(request.starts_with("head / http/1.1\r\n"), "{request}");
    assert!(
        !request.contains("authorization") && !request.contains("cookie"),
        "{request}"
    );
    let output = world.ac_cred(["doctor", "--json"]).run();
    for secret in [&account.key, &token] {
        assert!(!request.contains(&secret.to_lowercase()), "{request}");
        assert!(!output.stdout.contains(secret), "{output:?}");
    }
    assert_eq!(finding(&report, "mcp server")["verdict"], "ok");
    let clock = finding(&report, "clock");
    assert_eq!(
        (&clock["verdict"], &clock["fix"]),
        (&json!("fail"), &json!("timedatectl set-ntp true"))
    );
    assert!(
        clock["message"].as_str().unwrap().contains("ahead of"),
        "{clock}"
    );
}

#[test]
fn a_server_that_never_answers_is_given_up_in_time() {
    let world = World::new();
    world.login("acme");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", silent.local_addr().unwrap());
    set(&world, "api_url", &url);
    let check = Request::Check(Check {
        organization: None,
        wait_ms: 300,
    });
    let mut problems = Vec::new();
    for response in world.connect().ask_all(&check) {
        if let Response::Checked(checked) = response
            && checked.server != Server::Keyring
        {
            problems.push((
                checked.server,
                checked.problem.map(|problem| problem.message),
            ));
        }
    }
    let host = url.strip_prefix("https://").unwrap();
    let late = format!("{host} did not answer within 300ms");
    assert_eq!(problems, [(Server::Auth, None), (Server::Api, Some(late))]);
}

#[test]
fn what_is_open_to_others_is_told_with_the_command_that_closes_it() {
    let world = World::new();
    world.login("acme");
    let official = world.write(".config/@appcircle/cli-nodejs/config.json", "{}");
    let config = world.settings_path();
    let run = world.socket().parent().unwrap().to_owned();
    for (path, wrong, right, check) in [
        (&official, 0o666, 0o600, "appcircle cli"),
        (&config, 0o666, 0o644, "settings"),
        (&run, 0o755, 0o700, "socket"),
        (&world.socket(), 0o666, 0o600, "socket"),
    ] {
        chmod(path, wrong);
        let report = doctor(&world, 6);
        let found = finding(&report, check);
        let fix = format!("chmod {right:o} '{}'", path.display());
        assert_eq!(
            (&found["error"], &found["fix"]),
            (&json!("unsafe_files"), &json!(fix))
        );
        world.shell(&fix).run().succeeded();
        doctor(&world, 0);
    }
    let moved = world.home().join("xdg");
    fs::create_dir(&moved).unwrap();
    fs::rename(
        world.home().join(".config/@appcircle"),
        moved.join("@appcircle"),
    )
    .unwrap();
    chmod(&moved.join("@appcircle/cli-nodejs/config.json"), 0o644);
    let elsewhere = world
        .ac_cred(["doctor"])
        .env("XDG_CONFIG_HOME", &moved)
        .run();
    assert_eq!(elsewhere.code, 6, "{elsewhere:?}");
}

#[test]
fn what_a_person_must_do_is_told() {
    let world = World::new();
    let account = world.login("acme");
    world.write(".ac-cred.toml", "organization = 'acme'\n");
    let report = doctor(&world, 6);
    assert_eq!(
        finding(&report, "organization")["fix"],
        "ac-cred use --approve"
    );
    world.ac_cred(["use", "--approve"]).run().succeeded();
    doctor(&world, 0);
    world.sim().revoke(&account.key);
    world.ac_cred(["get", "--refresh"]).run().refused(4);
    let report = doctor(&world, 4);
    assert_eq!(finding(&report, "exchange")["fix"], "ac-cred login acme");
    let output = world.ac_cred(["doctor"]).run();
    output
        .says("1 of ")
        .says("checks failed; run: ac-cred login acme");
    world.ac_cred(["lock", "--yes"]).run().succeeded();
    let report = doctor(&world, 6);
    assert_eq!(finding(&report, "store")["fix"], "ac-cred unlock");
}

#[test]
fn broken_settings_are_told_with_the_rest() {
    let world = World::new();
    world.write(
        ".config/ac-cred/config.toml",
        "[organizations.acme]\nstore = 'shelf'\n",
    );
    let report = doctor(&world, 6);
    let settings = finding(&report, "settings");
    assert_eq!(settings["error"], "store_unreadable");
    assert!(
        settings["fix"]
            .as_str()
            .unwrap()
            .starts_with("\"${EDITOR:-vi}\" '"),
        "{settings}"
    );
    assert_eq!(finding(&report, "program")["verdict"], "ok");
}

#[test]
fn a_socket_at_which_nobody_listens_is_stale_and_does_no_harm() {
    let world = World::new();
    world.login("acme");
    world.stop();
    drop(UnixListener::bind(world.socket()).unwrap());
    let old = world.socket().with_file_name("v0.sock");
    drop(UnixListener::bind(&old).unwrap());
    chmod(&world.socket(), 0o600);
    let report = doctor(&world, 0);
    let notes: Vec<_> = all(&report, "socket")
        .map(|found| found["fix"].clone())
        .collect();
    let rm = |path: &Path| json!(format!("rm '{}'", path.display()));
    assert_eq!(notes, [rm(&old), rm(&world.socket())]);
    assert_eq!(finding(&report, "daemon")["verdict"], "ok");
}

/// What `doctor --json` finds, where it ends with this code.
#[track_caller]
fn doctor(world: &World, code: i32) -> Value {
    let output: Output = world.ac_cred(["doctor", "--json"]).run();
    assert_eq!(output.code, code, "{output:?}");
    let report = output.json();
    for found in report["findings"].as_array().expect("it is a report") {
        let is_mended = found["verdict"] == "ok" || found["fix"].is_string();
        assert!(is_mended, "no command mends {found}");
    }
    report
}

fn all<'a>(report: &'a Value, check: &'a str) -> impl Iterator<Item = &'a Value> {
    let findings = report["findings"]
        .as_array()
        .expect("it is a report")
        .iter();
    findings.filter(move |found| found["check"] == check)
}

/// The first finding of a check, or the first that failed.
#[track_caller]
fn finding<'a>(report: &'a Value, check: &'a str) -> &'a Value {
    let failed = all(report, check).find(|found| found["verdict"] == "fail");
    let found = failed.or_else(|| all(report, check).next());
    assert!(found.is_some(), "no {check} in {report}");
    found.unwrap_or(report)
}

/// Sets a setting of the last organization in the file.
fn set(world: &World, key: &str, value: &str) {
    let path = world.settings_path();
    let text = fs::read_to_string(&path).expect("there are settings");
    let mine = format!("{key} = ");
    let others = text.lines().filter(|line| !line.starts_with(&mine));
    let text: String = others.flat_map(|line| [line, "\n"]).collect();
    fs::write(&path, format!("{text}{key} = \"{value}\"\n")).expect("they can be written");
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is one's own");
}
