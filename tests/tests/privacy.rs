//! No secret is anywhere but where it belongs: the whole product runs with secrets that can be told
//! from everything else, and every byte that it leaves is searched for them.

#![cfg(target_os = "linux")]

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use ac_cred_tests::{
    auth_sim::Fault,
    keyring::{Keyring, OnBus},
    process::{Foreground, Process, skip},
    world::{Account, Output, PATIENCE, Run, Running, World, eventually},
};
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What a form leaves as it is.
const UNRESERVED_STAY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Mappings of a process that are larger hold no data of its own.
const LARGEST_MAPPING: u64 = 256 * 1024 * 1024;

#[test]
fn no_secret_leaves_by_any_other_door() {
    let mut product = Product::new();
    let daemon = Foreground::start(&product.world, "ac-cred", &["daemon", "run"], &[]);
    let accounts = product.log_in();
    product.use_every_command(&accounts);
    product.look_at_what_waits(&accounts, daemon.process());
    product.misplace_secrets(&accounts);
    product.meet_every_fault();
    product.break_files();
    product.run("stop", product.world.ac_cred(["daemon", "stop"]));
    let (status, log) = daemon.end(&product.world);
    assert!(status.success(), "{log}");
    assert!(
        log.contains("listening") && log.contains("a new token"),
        "{log}"
    );
    product.note("the daemon's log", log);
    product.start_on_demand();
    product.note_files();
    product.finds_secrets_where_they_belong();
    product.finds_none_elsewhere();
}

#[test]
fn the_daemons_memory_holds_no_credential_and_after_a_logout_no_token() {
    no_secret_is_in_memory_after(&["logout", "--all"]);
}

#[test]
fn after_a_lock_the_daemons_memory_holds_neither_credential_nor_token() {
    no_secret_is_in_memory_after(&["lock", "--yes"]);
}

#[test]
fn the_kernel_keeps_no_connection_of_an_exchange() {
    let world = World::new();
    world.login("acme");
    let daemon = Process(world.daemon_pid().expect("a daemon runs"));
    if daemon.descriptors().is_err() {
        return skip("the system does not show the daemon's descriptors");
    }
    let gate = world.sim().hold();
    let get = world.ac_cred(["get", "acme", "--refresh", "-q"]).spawn();
    assert!(gate.wait_for(1, PATIENCE));
    assert!(has_tcp(daemon), "the search does not find what is there");
    gate.release();
    get.wait().succeeded();
    assert!(eventually(PATIENCE, || !has_tcp(daemon)));
}

/// Whether a process has a TCP socket, in whatever state.
fn has_tcp(process: Process) -> bool {
    let tables = ["net/tcp", "net/tcp6"]
        .map(|table| fs::read_to_string(process.path(table)).unwrap_or_default());
    // The inode of a socket is the tenth of its columns.
    let inodes: BTreeSet<&str> = tables
        .iter()
        .flat_map(|table| table.lines().skip(1))
        .filter_map(|line| line.split_whitespace().nth(9))
        .collect();
    let descriptors = process.descriptors().expect("they were shown before");
    descriptors.iter().any(|(_, target)| {
        let target = target.to_string_lossy();
        let inode = target
            .strip_prefix("socket:[")
            .and_then(|rest| rest.strip_suffix(']'));
        inode.is_some_and(|inode| inodes.contains(inode))
    })
}

fn no_secret_is_in_memory_after(words: &[&str]) {
    let world = World::new();
    let keyring = Keyring::start(&world);
    let aliases = log_in_to_every_store(&world, keyring.as_ref());
    for alias in &aliases {
        // The credential comes from its store once more.
        let refresh = world.ac_cred(["get", alias, "--refresh"]);
        refresh.run().succeeded();
    }
    let tokens: Vec<String> = aliases.iter().map(|alias| world.get(alias)).collect();
    let daemon = Process(world.daemon_pid().expect("a daemon runs"));
    let Ok(memory) = memory_of(daemon) else {
        return skip("the system does not show the daemon's memory");
    };
    for token in &tokens {
        assert!(
            holds(&memory, token),
            "the search does not find what is there"
        );
    }
    for secret in world.secrets().all() {
        for piece in interior(&secret) {
            assert!(!holds(&memory, piece), "the memory holds {piece}");
        }
    }
    world.ac_cred(words).run().succeeded();
    let memory = memory_of(daemon).expect("it was shown before");
    for secret in world.secrets().all().iter().chain(&tokens) {
        for piece in interior(secret) {
            assert!(
                !holds(&memory, piece),
                "the memory holds {piece} after {words:?}"
            );
        }
    }
}

/// A credential in each store that this machine has.
fn log_in_to_every_store(world: &World, keyring: Option<&Keyring>) -> Vec<String> {
    let passphrase = world.secrets().fresh("passphrase");
    let file = world.write("passphrase", &passphrase);
    let mut aliases = Vec::new();
    for store in ["file", "memory", "command", "keyring"] {
        if store == "keyring" && keyring.is_none() {
            continue;
        }
        let account = world.account(store);
        let login = if store == "command" {
            let key = world.write("key", &account.key);
            let words = ["--store", store, "--", "cat"];
            world.login_at_simulator(store).args(words).args([key])
        } else {
            let login = world.login_with(store, &account.key);
            login
                .args(["--store", store, "--passphrase-file"])
                .args([&file])
        };
        let login = match keyring {
            Some(keyring) => login.on(keyring),
            None => login,
        };
        login.run().succeeded();
        aliases.push(account.alias);
    }
    aliases
}

#[test]
fn the_search_finds_a_secret_however_it_is_written() {
    let secret = "marker-key-0123456789abcdef-1+/=";
    let search = Search::of([secret.to_owned()].iter());
    let percent = |set| utf8_percent_encode(secret, set).to_string();
    let with_prefix = |prefix: &str| format!("{prefix}{secret} and more");
    for written in [
        secret.to_owned(),
        format!("cut short: {}", halves(secret)[1]),
        format!("cut short: {}", halves(secret)[2]),
        HEXLOWER.encode(secret.as_bytes()),
        HEXUPPER.encode(with_prefix("x").as_bytes()),
        BASE64_NOPAD.encode(with_prefix("").as_bytes()),
        BASE64_NOPAD.encode(with_prefix("x").as_bytes()),
        BASE64URL_NOPAD.encode(with_prefix("xy").as_bytes()),
        percent(NON_ALPHANUMERIC),
        percent(UNRESERVED_STAY),
        percent(UNRESERVED_STAY).to_lowercase(),
        secret.replace('/', "\\/"),
        secret.replace('+', "\\u002b"),
    ] {
        let found = search.find(with_prefix(&written).replace(secret, &written).as_bytes());
        assert!(!found.is_empty(), "{written}");
    }
    assert!(search.find(b"marker-key- and nothing else").is_empty());
}

/// The whole product at work, and everything that it told and left.
struct Product {
    world: World,
    /// Files that a person has: they hold secrets and are no part of what is searched.
    inputs: TempDir,
    /// What was told where, without the standard output of `get`.
    told: Vec<(String, Vec<u8>)>,
    /// The standard output of `get`.
    got: Vec<String>,
}

impl Product {
    fn new() -> Self {
        Self {
            world: World::new(),
            inputs: TempDir::new().expect("a directory can be made"),
            told: Vec::new(),
            got: Vec::new(),
        }
    }

    fn note(&mut self, what: &str, bytes: impl Into<Vec<u8>>) {
        self.told.push((what.to_owned(), bytes.into()));
    }

    /// Runs a command and notes all that it says.
    fn run(&mut self, what: &str, run: Run) -> Output {
        self.note_end(what, run.spawn())
    }

    fn note_end(&mut self, what: &str, running: Running) -> Output {
        let output = running.wait();
        self.note(&format!("stdout of {what}"), output.stdout.clone());
        self.note(&format!("stderr of {what}"), output.stderr.clone());
        output
    }

    /// Runs a `get`, whose standard output may have a token when it succeeds.
    fn get(&mut self, words: &[&str]) -> Output {
        let what = format!("get {}", words.join(" "));
        let output = self.world.ac_cred(["get"]).args(words).run();
        self.note(&format!("stderr of {what}"), output.stderr.clone());
        if output.code == 0 {
            self.got.push(output.stdout.clone());
        } else {
            self.note(&format!("stdout of {what}"), output.stdout.clone());
        }
        output
    }

    fn ac_cred(&mut self, words: &[&str]) -> Output {
        let run = self.world.ac_cred(words);
        self.run(&words.join(" "), run)
    }

    /// A file that a person keeps elsewhere.
    fn input(&self, name: &str, content: &str) -> PathBuf {
        let path = self.inputs.path().join(name);
        fs::write(&path, content).expect("a file can be written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, mode).expect("it is one's own");
        path
    }

    /// A credential in each store.
    fn log_in(&mut self) -> [Account; 2] {
        let passphrase = self.input("passphrase", &self.world.secrets().fresh("passphrase"));
        let accounts = [self.world.account("acme"), self.world.account("ci")];
        for (account, store) in accounts.iter().zip(["file", "memory"]) {
            let login = self.world.login_with(&account.alias, &account.key);
            let login = login.args(["--store", store, "--passphrase-file"]);
            let login = login.args([&passphrase]);
            self.run("login", login).succeeded();
        }
        accounts
    }

    fn use_every_command(&mut self, accounts: &[Account; 2]) {
        for words in [
            &["acme"][..],
            &["acme", "--format", "json"],
            &["acme", "--format", "headers"],
            &["acme", "--format", "env", "--shell", "github-actions"],
            &["ci", "--refresh", "-q"],
            &["ci", "--min-ttl", "30m"],
            &["acme", "--min-ttl", "9h"],
            &["acme", "--min-ttl", "9h", "--format", "json"],
            &["nobody"],
            &["nobody", "--format", "json"],
        ] {
            self.get(words);
        }
        let token = self.world.get("ci");
        for given in [&*token, "", &accounts[0].key, "not a token"] {
            let reject = self.world.ac_cred(["reject", "ci"]).stdin(given);
            self.run("reject", reject);
        }
        for words in [
            &["--help"][..],
            &["--version"],
            &[],
            &["list"],
            &["list", "--json"],
            &["status"],
            &["status", "--json"],
            &["status", "--short"],
            &["status", "acme"],
            &["use", "ci"],
            &["use", "nobody"],
            &["exec", "acme", "--", "true"],
            &["exec", "acme", "--token-file", "T", "--", "false"],
            &["exec", "acme", "--", "nosuch"],
            &["exec", "nobody", "--", "true"],
            &["rename", "ci", "build"],
            &["rename", "build", "ci"],
            &["unlock"],
            &["lock"],
            &["daemon", "start"],
            &["logout", "nobody"],
        ] {
            self.ac_cred(words);
        }
    }

    /// What the system shows of the daemon, and of clients, while an exchange is under way.
    fn look_at_what_waits(&mut self, accounts: &[Account; 2], daemon: Process) {
        let gate = self.world.sim().hold();
        let waiting: Vec<Running> = vec![
            self.world
                .ac_cred(["get", "ci", "--refresh", "-q", "--wait", "60s"])
                .spawn(),
            self.world.login_with("acme", &accounts[0].key).spawn(),
        ];
        assert!(gate.wait_for(2, PATIENCE));
        let clients = waiting.iter().map(|client| Process(client.pid()));
        for process in clients.chain([daemon]) {
            let line = process.command_line().expect("everybody sees arguments");
            assert!(!line.is_empty());
            self.note("the arguments of a process", line);
            match process.environment() {
                Ok(environment) => self.note("the environment of a process", environment),
                Err(_) => skip("the system does not show the daemon's environment"),
            }
        }
        gate.release();
        for (what, client) in ["get", "login"].iter().zip(waiting) {
            let output = client.wait();
            output.succeeded();
            self.note(&format!("stderr of a {what} that waited"), output.stderr);
        }
    }

    /// A person, or a program, gives a secret where none belongs.
    fn misplace_secrets(&mut self, accounts: &[Account; 2]) {
        let key = &*accounts[0].key;
        let url = format!("https://me:{key}@127.0.0.1");
        let query = format!("https://127.0.0.1/?key={key}");
        for words in [
            &["login", "acme", key][..],
            &["login", key],
            &["login", "acme", "--token", key],
            &["login", "acme", "--kind", key],
            &["login", "acme", "--store", key],
            &["login", "acme", "--stdin", "--auth-url", &url],
            &["login", "acme", "--stdin", "--auth-url", &query],
            &["login", "acme", "--stdin", "--api-url", &query],
            &["login", "acme", "--stdin", "--proxy", &query],
            &["login", "acme", "--stdin", "--organization-id", key],
            &["get", key],
            &["get", "acme", "--format", key],
            &["get", "acme", "--min-ttl", key],
            &["get", "--org", key, "--format", "json"],
            &["exec", key, "--", "true"],
            &["exec", "acme", "--env", key, "--", "true"],
            &["exec", "acme", "--token-file", key, "--", "true"],
            &["exec", "acme", "--token", key, "--", "true"],
            &["use", key],
            &["rename", "acme", key],
            &["logout", key],
            &["status", key, "--json"],
            &["reject", key],
            &[key],
        ] {
            let run = self.world.ac_cred(words).stdin(key);
            let output = self.run("a command with a misplaced secret", run);
            assert_ne!(output.code, 0, "{words:?}: {output:?}");
        }
        let variable = self.world.ac_cred(["get"]).env("AC_CRED_ORG", key);
        self.run("get with a secret in AC_CRED_ORG", variable)
            .refused(2);
        for wrong in [
            format!("{key}\n{key}\n"),
            format!("{key} {key}"),
            format!("\u{0}{key}"),
            key.repeat(1_000),
        ] {
            let login = self.world.login_with("acme", wrong);
            self.run("login with a spoiled secret", login).refused(2);
        }
        self.misplace_secrets_in_lines(key);
    }

    /// The same in JSON lines, as an editor would send them.
    fn misplace_secrets_in_lines(&mut self, key: &str) {
        for question in [
            json!({ "login": { "organization": "acme", "credential": key, "nonsense": key } }),
            json!({ "login": { "organization": "acme", "credential": format!("{key} {key}") } }),
            json!({ "get": { "organization": key } }),
            json!({ "unlock": { "passphrase": key } }),
            json!({ key: {} }),
        ] {
            let answer = self.world.connect_json().ask_line(&question.to_string());
            assert!(answer.get("denied").is_some(), "{answer}");
            self.note("the answer to a line", answer.to_string());
        }
    }

    /// Each way in which the Auth API can go wrong with the credential in its answer.
    fn meet_every_fault(&mut self) {
        type Echo = fn(&str) -> Fault;
        let faults: [Echo; 15] = [
            |key| refusal(&format!("the key {key} is not known")),
            |key| refusal(&format!("{}{key}", "x".repeat(190))),
            |key| refusal(&format!("personalAccessKey={}", percent(key))),
            |key| refusal(&format!("personalAccessKey={}", percent(&percent(key)))),
            |key| refusal(&format!("the key begins with {}", halves(key)[1])),
            |key| refusal(&format!("the key ends with {}", halves(key)[2])),
            |key| Fault::answer(401, &[], format!("{{\"error\":\"{}\"}}", unicode(key))),
            |key| Fault::answer(200, &[], format!("{{\"access_token\":{key}}}")),
            |key| Fault::answer(502, &[("Content-Type", "text/html")], format!("<p>{key}")),
            |key| Fault::redirect(307, &format!("https://127.0.0.1/?key={}", percent(key))),
            |key| Fault::retry_after(429, key),
            |key| Fault::access_token(Value::from(key)),
            |key| Fault::access_token(Value::from(format!("{key}\u{1b}[m"))),
            |key| Fault::other_organization(key),
            |key| Fault::expires_in(Value::from(key)),
        ];
        let accounts: Vec<Account> = (0..faults.len())
            .map(|number| self.world.login(&format!("fault-{number}")))
            .collect();
        let mut logins = Vec::new();
        for (account, fault) in accounts.iter().zip(faults) {
            let only = self.world.sim().only_credential(&account.key);
            only.fail_always(fault(&account.key));
            self.get(&[&account.alias, "--refresh"]);
            self.get(&[&account.alias, "--min-ttl", "2h", "--format", "json"]);
            logins.push(self.world.login_with(&account.alias, &account.key).spawn());
            self.ac_cred(&["status", &account.alias, "--json"]);
        }
        for login in logins {
            self.note_end("a login that met a fault", login);
        }
        for account in &accounts {
            let exchanges = self.world.sim().exchange_count_for(&account.key);
            assert!(exchanges > 2, "{} has met no fault", account.alias);
        }
        self.world.sim().refuse_connections();
        self.get(&["ci", "--refresh"]).refused(5);
        self.world.sim().listen_again();
    }

    /// Files that cannot be used, with secrets in them.
    fn break_files(&mut self) {
        let key = self.world.secrets().fresh("key");
        let settings = self.world.settings_path();
        let before = fs::read(&settings).expect("a login has written it");
        for broken in [
            format!("{key}\n"),
            format!("[organizations.acme]\npersonal_access_key = \"{key}\"\n"),
            format!("[organizations.\"{key}\"]\n"),
            format!("default = \"{key}\"\n"),
            format!("[organizations.acme]\nkind = \"{key}\"\n"),
            format!("[organizations.acme]\nauth_url = \"https://me:{key}@127.0.0.1\"\n"),
        ] {
            fs::write(&settings, broken).expect("it is one's own");
            self.ac_cred(&["list"]);
            self.ac_cred(&["status", "--json"]);
            self.get(&["acme"]);
            self.get(&["acme", "--format", "json"]);
        }
        fs::write(&settings, before).expect("it is one's own");
        let wrong = self.input("wrong", &self.world.secrets().fresh("passphrase"));
        let unlock = self.world.ac_cred(["unlock", "--passphrase-file"]);
        self.run("unlock with a wrong passphrase", unlock.args([wrong]));
        let broken = format!("{key}\u{7}{key}");
        let unlock = self.world.ac_cred(["unlock", "--passphrase-file"]);
        let unlock = unlock.args([self.input("broken", &broken)]);
        self.run("unlock with a broken passphrase", unlock);
    }

    /// What the system shows of a daemon that a client starts.
    fn start_on_demand(&mut self) {
        let passphrase = self.inputs.path().join("passphrase");
        let get = self.world.ac_cred(["get", "acme"]);
        let output = get.env("AC_CRED_PASSPHRASE_FILE", passphrase).run();
        self.got.push(output.succeeded().stdout.clone());
        let daemon = Process(self.world.daemon_pid().expect("it was started"));
        let line = daemon.command_line().expect("everybody sees arguments");
        self.note("the arguments of a daemon on demand", line);
        if let Ok(environment) = daemon.environment() {
            self.note("the environment of a daemon on demand", environment);
        }
        for words in [
            &["logout", "ci"][..],
            &["logout", "--all"],
            &["daemon", "stop"],
        ] {
            let before = files_below(self.world.home());
            self.ac_cred(words).succeeded();
            self.told.extend(before);
        }
    }

    fn note_files(&mut self) {
        self.told.extend(files_below(self.world.home()));
    }

    /// The search itself works: it finds the secrets that have to be there.
    fn finds_secrets_where_they_belong(&self) {
        let exchanges = self.world.sim().exchanges();
        for exchange in &exchanges {
            let key = exchange.form.get("personalAccessKey");
            let search = Search::of(key.into_iter());
            assert!(!search.find(exchange.raw_body.as_bytes()).is_empty());
        }
        let issued = self.world.sim().issued_tokens();
        let search = Search::of(issued.iter().map(|issued| &issued.token));
        assert!(self.got.len() > 5);
        for printed in &self.got {
            assert!(!search.find(printed.as_bytes()).is_empty(), "{printed}");
        }
    }

    fn finds_none_elsewhere(&self) {
        let mut secrets = self.world.secrets().all();
        let issued = self.world.sim().issued_tokens();
        secrets.extend(issued.into_iter().map(|issued| issued.token));
        let search = Search::of(secrets.iter());
        let leaks: BTreeSet<String> = self
            .told
            .iter()
            .filter_map(|(what, bytes)| {
                let pieces = search.find(bytes);
                let longest = pieces.iter().max_by_key(|piece| piece.len())?;
                let text = String::from_utf8_lossy(bytes);
                Some(format!("{what} holds {longest}:\n    {text:.400}"))
            })
            .collect();
        assert!(leaks.is_empty(), "{leaks:#?}");
        let keys = Search::of(self.world.secrets().all().iter());
        for printed in &self.got {
            assert!(keys.find(printed.as_bytes()).is_empty(), "{printed}");
        }
    }
}

/// A refusal of the credential in these words.
fn refusal(words: &str) -> Fault {
    let body = json!({ "error": "invalid_grant", "error_description": words });
    Fault::answer(
        401,
        &[("Content-Type", "application/json")],
        body.to_string(),
    )
}

fn percent(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED_STAY).to_string()
}

/// Every character as JSON may also write it.
fn unicode(text: &str) -> String {
    let letters = text.bytes().map(|byte| format!("\\u{byte:04x}"));
    letters.collect::<Vec<_>>().concat()
}

/// A text, and both halves of it.
fn halves(text: &str) -> [&str; 3] {
    let (first, second) = text.split_at(text.len() / 2);
    [text, first, second]
}

/// What secrets look like.
struct Search {
    shapes: BTreeSet<String>,
}

impl Search {
    fn of<'a>(secrets: impl Iterator<Item = &'a String>) -> Self {
        let shapes = secrets.flat_map(|secret| halves(secret)).flat_map(shapes);
        Self {
            shapes: shapes.collect(),
        }
    }

    /// What of the secrets stands in these bytes.
    fn find(&self, bytes: &[u8]) -> Vec<&str> {
        let text = String::from_utf8_lossy(bytes);
        let shapes = self.shapes.iter().filter(|shape| text.contains(*shape));
        shapes.map(String::as_str).collect()
    }
}

/// How a text may be written.
fn shapes(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let marks_escaped = |escape: fn(char) -> String| -> String {
        let letters = text.chars();
        letters
            .map(|letter| match letter {
                '+' | '/' | '=' => escape(letter),
                _ => letter.to_string(),
            })
            .collect()
    };
    let mut shapes = vec![
        text.to_owned(),
        HEXLOWER.encode(bytes),
        HEXUPPER.encode(bytes),
        percent(text),
        utf8_percent_encode(text, NON_ALPHANUMERIC).to_string(),
        marks_escaped(|letter| format!("%{:02x}", u32::from(letter))),
        text.replace('/', "\\/"),
        unicode(text),
        marks_escaped(|letter| format!("\\u{:04x}", u32::from(letter))),
        text.replace('+', "\\u002b"),
        text.replace('=', "\\u003d"),
    ];
    // Three places at which it may begin in a longer text.
    for (before, touched) in [(0, 0), (1, 2), (2, 3)] {
        let whole = [&[0; 2][..before], bytes].concat();
        let sure = whole.len() * 8 / 6;
        for encoded in [BASE64_NOPAD.encode(&whole), BASE64URL_NOPAD.encode(&whole)] {
            shapes.extend(encoded.get(touched..sure).map(str::to_owned));
        }
    }
    shapes
}

/// Every file below a directory, by name and content.
fn files_below(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("it is one's own") {
        let path = entry.expect("it is one's own").path();
        let what = format!("the file {}", path.display());
        found.push((
            format!("the name of {what}"),
            path.as_os_str().as_bytes().to_vec(),
        ));
        if path.is_dir() {
            found.extend(files_below(&path));
        } else if path.is_file() {
            found.push((what, fs::read(&path).unwrap_or_default()));
        }
    }
    found
}

/// A text, its halves, and pieces from its middle that an allocator's marks at either end of a
/// freed block leave alone.
fn interior(text: &str) -> Vec<&str> {
    let quarter = text.len() / 4;
    let pieces = [
        (quarter, 2 * quarter),
        (quarter / 2, quarter),
        (2 * quarter, quarter),
    ];
    let pieces = pieces
        .into_iter()
        .filter_map(|(start, length)| text.get(start..start + length));
    // Short pieces are found where chance puts them.
    let pieces = pieces.filter(|piece| piece.len() >= 8);
    halves(text).into_iter().chain(pieces).collect()
}

/// Everything that a process can read in its memory.
fn memory_of(process: Process) -> std::io::Result<Vec<u8>> {
    let maps = fs::read_to_string(process.path("maps"))?;
    let mut memory = File::open(process.path("mem"))?;
    let mut bytes = Vec::new();
    for mapping in maps.lines().filter(|line| line.contains(" r")) {
        let (range, _) = mapping.split_once(' ').unwrap_or_default();
        let (start, end) = range.split_once('-').unwrap_or_default();
        let number = |text| u64::from_str_radix(text, 16).unwrap_or_default();
        let (start, end) = (number(start), number(end));
        let mut piece = Vec::new();
        memory.seek(SeekFrom::Start(start))?;
        // A page that is not there yet cannot be read.
        let limited = (&mut memory).take(end.saturating_sub(start).min(LARGEST_MAPPING));
        limited.take(LARGEST_MAPPING).read_to_end(&mut piece).ok();
        bytes.append(&mut piece);
        bytes.push(b'\n');
    }
    Ok(bytes)
}

fn holds(memory: &[u8], secret: &str) -> bool {
    String::from_utf8_lossy(memory).contains(secret)
}
