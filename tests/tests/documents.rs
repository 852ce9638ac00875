//! What the documents tell their reader to type is typed here, and does what they say.

#![cfg(target_os = "linux")]

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use ac_cred_tests::{
    process::skip,
    world::{Answer, Output, World, cargo},
};

/// An installation replaces the programs that other tests start, so tests take turns.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn every_line_of_the_readme_does_what_it_says() {
    let _turn = turn();
    let reader = Reader::new();
    for line in lines_to_type(&document("README.md")) {
        match line.split(' ').take(2).collect::<Vec<_>>()[..] {
            ["cargo", "run" | "test"] => is_run_by_ci(&line),
            ["cargo", "install"] => reader.install(&line),
            _ if line.contains("curl ") && in_path("curl").is_none() => {
                skip("there is no curl, which .ci/run installs");
            }
            _ => reader.type_in(&line),
        }
    }
    assert_eq!(
        reader.world.sim().exchange_count(),
        4,
        "two logins, a reject and a move"
    );
    assert!(
        reader.world.daemons().is_empty(),
        "the last line stops the daemon"
    );
    let calls = reader.world.sim().api_calls();
    let with_token = calls.iter().filter(|call| call.method != "HEAD");
    assert!(
        with_token.clone().count() > 0 && with_token.clone().all(|call| call.status == 200),
        "{calls:?}"
    );
    let released = fs::read_to_string(reader.world.home().join("released")).unwrap();
    assert_eq!(reader.world.call(&released).status, 200);
}

#[test]
fn every_block_of_a_document_is_closed() {
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "SECURITY.md",
        "proto/SCHEMA.md",
    ] {
        let document = document(name);
        let mut fences = document.lines().filter(|line| line.starts_with("```"));
        while let Some(opening) = fences.next() {
            assert!(
                opening.len() > "```".len(),
                "{name}: {opening:?} opens nothing"
            );
            assert_eq!(fences.next(), Some("```"), "{name}: {opening:?}");
        }
    }
}

#[test]
fn what_the_readme_shows_first_is_what_it_explains() {
    let readme = document("README.md");
    let explained = lines_to_type(&readme);
    let shown = readme.lines().filter_map(|line| line.strip_prefix("    "));
    let shown: Vec<&str> = shown.filter(|line| line.starts_with("ac-cred ")).collect();
    assert!(!shown.is_empty());
    for line in shown {
        let command = line.split('#').next().unwrap_or_default().trim_end();
        assert!(
            explained.iter().any(|line| line == command),
            "{command:?} is not among the lines that are run"
        );
    }
}

#[test]
fn the_exit_codes_of_the_readme_are_those_of_the_help() {
    let _turn = turn();
    let help = World::new()
        .ac_cred(["--help"])
        .run()
        .succeeded()
        .stdout
        .clone();
    let (_, codes) = help
        .split_once("Exit codes: ")
        .expect("the help lists them");
    let codes = codes.split_whitespace().collect::<Vec<_>>().join(" ");
    let of_help = codes.trim_end_matches('.').split(", ").map(|code| {
        let (number, meaning) = code.split_once(' ').expect("a meaning follows");
        (number.to_owned(), meaning.to_owned())
    });
    let readme = document("README.md");
    let of_readme: Vec<_> = readme.lines().filter_map(row_of_a_code).collect();
    assert_eq!(of_readme.len(), 8);
    for ((number, meaning), (said, explained)) in of_help.zip(of_readme) {
        assert_eq!(number, said);
        let explained = explained.replace(',', "");
        assert!(
            explained.starts_with(&meaning),
            "{number}: {meaning} / {explained}"
        );
    }
}

#[test]
fn the_python_client_of_the_schema_gets_a_token() {
    a_client_of_the_schema_gets_a_token("python", "python3");
}

#[test]
fn the_node_client_of_the_schema_gets_a_token() {
    a_client_of_the_schema_gets_a_token("js", "node");
}

fn a_client_of_the_schema_gets_a_token(language: &str, interpreter: &str) {
    let _turn = turn();
    let Some(interpreter) = in_path(interpreter) else {
        // Nobody may be reading.
        writeln!(io::stderr(), "skipped: there is no {interpreter}").ok();
        return;
    };
    let schema = document("proto/SCHEMA.md");
    let program = blocks(&schema, language).next();
    let world = World::new();
    let file = world.write(
        "client",
        program.expect("the schema has a client").join("\n"),
    );
    let client = || -> Output {
        let run = world.program(&interpreter).args([&file, &world.socket()]);
        run.run()
    };
    let without_daemon = client();
    assert_eq!((without_daemon.code, &*without_daemon.stdout), (1, ""));
    world.login("acme");
    let token = world.get("acme");
    assert_eq!(client().succeeded().stdout, format!("{token}\n"));
    world.ac_cred(["logout", "acme"]).run().succeeded();
    let denied = client();
    assert_eq!((denied.code, &*denied.stdout), (1, ""));
    denied.says("no organization is known here");
}

/// A person who types what the README says, with Appcircle simulated.
struct Reader {
    world: World,
    key: String,
}

impl Reader {
    fn new() -> Self {
        let world = World::new();
        let key = world.account("acme").key;
        world.write("key.txt", format!("{}\n", world.account("ci").key));
        let script = "printf '#!/bin/sh\nprintf %%s \"$AC_ACCESS_TOKEN\" >released\n' >release.sh \
                      && chmod 700 release.sh";
        world.shell(script).run().succeeded();
        fs::create_dir(world.home().join("bin")).expect("the home has none");
        let appcircle = world.home().join("bin/appcircle");
        symlink(env!("CARGO_BIN_EXE_appcircle"), appcircle).expect("a link can be made");
        Self { world, key }
    }

    /// Installs with the profile and the target directory of this test, and from what is here.
    fn install(&self, line: &str) {
        let mut install = cargo("install").expect("cargo has built this test");
        install
            .args(line.split(' ').skip(2))
            .args(["--offline", "--no-track", "--root"])
            .arg(self.world.home());
        let output = install.output().expect("cargo can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {said}");
    }

    fn type_in(&self, line: &str) {
        let url = self.world.sim().url();
        let ca_file = self.world.ca_file();
        let (home, ca_file) = (self.world.home().display(), ca_file.display());
        let line_at_the_simulator = format!(
            "PATH={home}/bin:/usr/bin:/bin
            export GITHUB_ENV={home}/github_env NODE_EXTRA_CA_CERTS={ca_file}
            curl() {{
                command curl --cacert {ca_file} \"${{@/https:\\/\\/api.appcircle.io/{url}}}\"
            }}
            ac-cred() {{
                [ \"$1\" != login ] || set -- \"$@\" --auth-url {url} --api-url {url} --ca-file {ca_file}
                command ac-cred \"$@\"
            }}
            {line}"
        );
        let passphrase = Answer::Hidden("marker open sesame");
        let answers = [
            ("New passphrase", passphrase),
            ("The same again: ", passphrase),
            ("Passphrase of", passphrase),
            ("Personal Access Key for acme", Answer::Hidden(&self.key)),
        ];
        let output = self.world.at_terminal(&line_at_the_simulator, &answers);
        assert_eq!(output.code, 0, "{line}: {output:?}");
        assert!(!output.stdout.contains("marker-key"), "{line}: {output:?}");
    }
}

/// The check of every change runs the README's own line, whose first two words it names.
fn is_run_by_ci(line: &str) {
    let words: Vec<&str> = line.split(' ').take(2).collect();
    let stage = format!("run_readme \"{}\"", words.join(" "));
    assert!(document(".ci/run").contains(&stage), "{line}");
}

/// The lines of the blocks for a shell.
fn lines_to_type(document: &str) -> Vec<String> {
    let lines = blocks(document, "sh").flatten();
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    assert!(lines.len() > 10, "{lines:?}");
    lines
}

/// The fenced blocks of a language.
fn blocks<'a>(document: &'a str, language: &str) -> impl Iterator<Item = Vec<&'a str>> {
    let fence = format!("```{language}\n");
    let starts: Vec<_> = document.match_indices(&fence).collect();
    starts.into_iter().map(move |(start, fence)| {
        let behind = document.get(start + fence.len()..).unwrap_or_default();
        behind.lines().take_while(|line| *line != "```").collect()
    })
}

/// The code and the meaning in a row such as `| 0 | done |`.
fn row_of_a_code(line: &str) -> Option<(String, String)> {
    let mut cells = line.strip_prefix("| ")?.split('|').map(str::trim);
    let number = cells.next().filter(|cell| cell.parse::<u8>().is_ok())?;
    Some((number.to_owned(), cells.next()?.to_owned()))
}

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    fs::read_to_string(path).expect("the document is there")
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let usual = ["/usr/bin", "/bin", "/usr/local/bin"].map(PathBuf::from);
    let directories = usual.into_iter().chain(env::split_paths(&path));
    let mut found = directories.map(|directory| directory.join(program));
    found.find(|path| path.is_file())
}

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
