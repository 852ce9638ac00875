//! Every form in which `get` prints a token, read by the real shells and tools that it is for.
//!
//! There is no PowerShell in Debian: its line is compared, not run.

#![cfg(target_os = "linux")]

use std::path::Path;

use ac_cred_tests::{
    auth_sim::Fault,
    process::skip,
    world::{Output, Run, World},
};
use serde_json::json;

/// The formats and the shells of `env`.
const FORMATS: [&[&str]; 9] = [
    &[],
    &["--format", "json"],
    &["--format", "header"],
    &["--format", "headers"],
    &["--format", "curl"],
    &["--format", "env"],
    &["--format", "env", "--shell", "fish"],
    &["--format", "env", "--shell", "powershell"],
    &["--format", "env", "--shell", "github-actions"],
];

/// Every character that a bearer token may have besides letters and digits, where it may hurt.
const AWKWARD: &str = "~/-+.=_~a/../.-x=b+/==";

/// Prints what a program below the shell finds in its environment.
const SHOW: &str = "sh -c 'printf %s \"$AC_ACCESS_TOKEN\"'";

#[test]
fn each_format_is_the_documented_one() {
    let world = World::new();
    world.login("acme");
    let token = world.get("acme");
    let documented = [
        (2, format!("Authorization: Bearer {token}\n")),
        (3, format!("{{\"Authorization\":\"Bearer {token}\"}}\n")),
        (4, format!("header = \"Authorization: Bearer {token}\"\n")),
        (5, format!("export AC_ACCESS_TOKEN='{token}'\n")),
        (6, format!("set -gx AC_ACCESS_TOKEN '{token}'\n")),
        (7, format!("$env:AC_ACCESS_TOKEN = '{token}'\n")),
    ];
    for (format, expected) in documented {
        let output = get(&world, FORMATS[format]);
        assert_eq!(output.succeeded().stdout, expected);
        assert_eq!(output.stderr, "");
    }
    let posix = get(&world, &["--format", "env", "--shell", "posix"]);
    assert_eq!(posix, get(&world, FORMATS[5]));
}

#[test]
fn a_shell_without_its_format_is_a_usage_error() {
    let world = World::new();
    for words in [
        &["--shell", "fish"][..],
        &["--shell", "fish", "--format", "json"],
        &["--format", "env", "--shell", "csh"],
    ] {
        get(&world, words).refused(2).says("ac-cred get --help");
    }
}

#[test]
fn posix_shells_export_the_very_token() {
    let world = awkward_world();
    for shell in ["sh", "dash", "bash", "zsh"] {
        let line = format!("eval \"$(ac-cred get acme --format env)\" && {SHOW}");
        let Some(run) = in_shell(&world, shell, &line) else {
            continue;
        };
        let output = run.run();
        assert_eq!(
            (&*output.stdout, &*output.stderr),
            (AWKWARD, ""),
            "{shell}: {output:?}"
        );
    }
}

#[test]
fn fish_exports_the_very_token() {
    let world = awkward_world();
    let line = format!("ac-cred get acme --format env --shell fish | source; and {SHOW}");
    if let Some(run) = in_shell(&world, "fish", &line) {
        assert_eq!(run.run().succeeded().stdout, AWKWARD);
    }
}

#[test]
fn the_runner_of_github_masks_the_token_and_gives_it_to_the_next_steps() {
    let world = awkward_world();
    for shell in ["sh", "bash"] {
        let line = format!(
            "eval \"$(ac-cred get acme --format env --shell github-actions)\" && {SHOW} >shown"
        );
        let file = world.write("a 'file' $(of) the runner", "BEFORE=1\n");
        let run = in_shell(&world, shell, &line).expect("every system has it");
        let output = run.env("GITHUB_ENV", &file).run();
        assert_eq!(
            output.succeeded().stdout,
            format!("::add-mask::{AWKWARD}\n")
        );
        let given = std::fs::read_to_string(&file).unwrap();
        assert_eq!(given, format!("BEFORE=1\nAC_ACCESS_TOKEN={AWKWARD}\n"));
        let shown = std::fs::read_to_string(world.home().join("shown")).unwrap();
        assert_eq!(shown, AWKWARD);
    }
}

#[test]
fn curl_reads_the_token_from_a_pipe() {
    let world = awkward_world();
    let curl = format!(
        "curl -fsS --cacert ca.pem -o answer {}/build/v2/profiles",
        world.sim().url()
    );
    for (line, shell) in [
        (
            format!("ac-cred get acme --format header | {curl} -H @-"),
            "sh",
        ),
        (
            format!("ac-cred get acme --format curl | {curl} -K -"),
            "sh",
        ),
        (
            format!("{curl} -K <(ac-cred get acme --format curl)"),
            "bash",
        ),
    ] {
        let Some(run) = with_tool(&world, "curl", shell, &line) else {
            return;
        };
        // The simulator has not issued the token, so that curl calls its answer a failure.
        let output = run.run();
        assert_eq!(output.code, 22, "{line}: {output:?}");
        is_the_last_call(&world);
    }
}

#[test]
fn httpie_reads_the_token_from_a_pipe() {
    let world = awkward_world();
    let line = format!(
        "http --ignore-stdin --verify=ca.pem --print=h GET {}/build/v2/profiles \
         Authorization:@<(printf 'Bearer %s' \"$(ac-cred get acme)\")",
        world.sim().url()
    );
    if let Some(run) = with_tool(&world, "http", "bash", &line) {
        let output = run.run();
        assert_eq!(output.code, 0, "{output:?}");
        is_the_last_call(&world);
    }
}

#[test]
fn a_token_that_could_act_is_printed_in_no_format() {
    let world = World::new();
    let tokens = [
        "x';touch pwned;'",
        "x\"\nurl = \"https://evil.example",
        "$(touch pwned)",
        "`touch pwned`",
        "x\nAC_CRED\ntouch pwned",
        "x\r\nX-Evil: 1",
        "x\u{1b}]0;title\u{7}",
        "::set-output name=a::b",
        "%0A::warning::x",
        "x\u{202e}y",
        "x\0y",
    ];
    let mut asking = Vec::new();
    for (number, token) in tokens.iter().enumerate() {
        let account = world.login(&format!("org-{number}"));
        let only = world.sim().only_organization(&account.organization_id);
        only.fail_always(Fault::access_token(json!(token)));
        for format in FORMATS {
            let words = ["get", &account.alias, "--refresh", "--wait", "3s"];
            asking.push(world.ac_cred([&words, format].concat()).spawn());
        }
    }
    for asked in asking {
        asked.wait().refused(5);
    }
}

#[test]
fn names_and_words_of_a_server_act_in_no_format() {
    let world = World::new();
    world.login("acme");
    let names = [
        "x';touch pwned;'",
        "$(touch pwned)",
        "a\n::add-mask::a",
        "a\u{1b}[2J",
    ];
    for format in FORMATS {
        for name in names {
            let words = [&["get", "--org", name], format].concat();
            world.ac_cred(&words).run().refused(2);
            let said = world.ac_cred([&["get"], format].concat());
            said.env("AC_CRED_ORG", name).run().refused(2);
        }
    }
    let told = "a\n::warning::b\u{1b}[2J\r'$(touch pwned)`touch pwned`\u{202e}";
    let body = json!({"error": "invalid_grant", "error_description": told});
    let refusal = Fault::answer(
        400,
        &[("Content-Type", "application/json")],
        body.to_string(),
    );
    world.sim().fail_always(refusal);
    world.ac_cred(["reject", "acme"]).run().refused(4);
    for format in FORMATS {
        let output = get(&world, format);
        output.refused(4);
        let is_plain = |letter: char| letter == '\n' || !letter.is_control();
        assert!(output.stderr.chars().all(is_plain), "{output:?}");
        assert!(!output.stderr.starts_with("::"), "{output:?}");
        let line = format!("eval \"$(ac-cred get acme {})\"", format.join(" "));
        world.shell(&line).run().succeeded();
    }
    tells_nothing_that_acts(&world);
    assert!(!world.home().join("pwned").exists());
}

/// What tells of an exchange that failed steers nothing.
#[track_caller]
fn tells_nothing_that_acts(world: &World) {
    for words in [
        &["status"][..],
        &["status", "--json"],
        &["status", "--short"],
        &["doctor"],
        &["doctor", "--json"],
        &["audit"],
        &["audit", "--json"],
        &["list"],
        &["which"],
        &["exec", "acme", "--", "true"],
        &["login", "acme", "--from", "acme"],
    ] {
        let output = world.ac_cred(words).run();
        assert!(!output.stdout.is_empty() || !output.stderr.is_empty());
        assert_acts_nowhere(&output);
    }
}

#[test]
fn a_repositorys_file_acts_in_no_format() {
    let world = World::new();
    world.login("acme");
    for content in [
        "organization = \"x';touch pwned;'\"",
        "organization = \"$(touch pwned)\"",
        "organization = \"a\\n::add-mask::a\"",
        "organization = \"a\\u001b[2J\"",
        "organization = \"acme\"\nauth_url = \"https://evil.example\"",
        "\u{1b}[2J::warning::x\n$(touch pwned)",
        "organization = \"nobody\"",
    ] {
        world.write(".ac-cred.toml", content);
        for format in FORMATS {
            let output = world.ac_cred([&["get"], format].concat()).run();
            output.refused(6);
            assert_acts_nowhere(&output);
            let line = format!("eval \"$(ac-cred get {})\"", format.join(" "));
            world.shell(&line).run().succeeded();
        }
        for words in [
            &["which"][..],
            &["which", "--json"],
            &["use", "--approve"],
            &["doctor"],
        ] {
            assert_acts_nowhere(&world.ac_cred(words).run());
        }
    }
    assert!(!world.home().join("pwned").exists());
}

/// Nothing that was said steers a terminal or the runner of GitHub.
#[track_caller]
fn assert_acts_nowhere(output: &Output) {
    for text in [&output.stdout, &output.stderr] {
        let is_plain =
            |letter: char| letter == '\n' || !(letter.is_control() || letter == '\u{202e}');
        assert!(text.chars().all(is_plain), "{output:?}");
        assert!(
            !text.lines().any(|line| line.starts_with("::")),
            "{output:?}"
        );
    }
}

#[test]
fn a_project_that_names_a_server_of_its_own_gets_no_token() {
    let world = World::new();
    world.login("acme");
    let own = format!("{}/mcp", world.sim().url());
    let ask = |url: &str, words: &[&str]| {
        let run = world.ac_cred([&["get", "acme"], words].concat());
        run.env("CLAUDE_CODE_MCP_SERVER_URL", url).run()
    };
    for format in FORMATS {
        ask("", format).succeeded();
        ask(&own, format).succeeded();
        for url in [
            "https://evil.example/mcp",
            "https://mcp.appcircle.io",
            &own.replace("127.0.0.1", "127.0.0.1@evil.example"),
            &own.replace("https:", "http:"),
            "evil",
        ] {
            ask(url, format).refused(6).says(&world.sim().url());
        }
    }
    let login = ["login", "acme", "--from", "acme", "--mcp-url"];
    let known = world.ac_cred(login).args(["https://mcp.example.com"]).run();
    known.succeeded();
    let said = "https://mcp.example.com/any/path";
    ask(said, FORMATS[3]).succeeded();
}

/// A world whose next token is the awkward one.
fn awkward_world() -> World {
    let world = World::new();
    let account = world.account("acme");
    world.sim().fail_always(Fault::access_token(json!(AWKWARD)));
    world
        .login_with("acme", &account.key)
        .args(["--store", "memory"])
        .run()
        .succeeded();
    world
}

fn get(world: &World, words: &[&str]) -> Output {
    world.ac_cred([&["get", "acme"], words].concat()).run()
}

/// A line in a shell that reads no settings of its own; none where the shell is not installed.
fn in_shell(world: &World, shell: &str, line: &str) -> Option<Run> {
    let path = installed(shell)?;
    let quiet: &[&str] = match shell {
        "zsh" => &["-f"],
        "fish" => &["--no-config"],
        "bash" => &["--norc"],
        _ => &[],
    };
    Some(world.in_path(path).args(quiet).args(["-c", line]))
}

/// The same for a line that needs a tool besides.
fn with_tool(world: &World, tool: &str, shell: &str, line: &str) -> Option<Run> {
    installed(tool)?;
    in_shell(world, shell, line)
}

fn installed(tool: &str) -> Option<String> {
    let path = ["/usr/bin/", "/bin/"].map(|directory| format!("{directory}{tool}"));
    let found = path.into_iter().find(|path| Path::new(path).exists());
    if found.is_none() {
        skip(&format!("there is no {tool}, which .ci/run installs"));
    }
    found
}

fn is_the_last_call(world: &World) {
    let calls = world.sim().api_calls();
    let call = calls.last().expect("the API was called");
    assert_eq!(call.headers["authorization"], format!("Bearer {AWKWARD}"));
}
