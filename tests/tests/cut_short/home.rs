//! A home with two organizations in an encrypted file, and the program that makes changes in it.

use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

use ac_cred_tests::world::cargo;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::login;

/// Two identities as `age-keygen` writes them, of nobody.
pub(crate) const IDENTITIES: [&str; 2] = [
    "AGE-SECRET-KEY-13EHRC04YEV9S4Q6DDUMT8PV35U4G96YTV5YNKRP70GFZ4Y92QURSW98HVM\n",
    "AGE-SECRET-KEY-1N4G507A605ANE60XHRNP2X3M5E7FUZN0VWVRGQ8QYYLCR3A9PQPSPZD7PZ\n",
];

/// Everything that rests in the directory of a home when nothing is under way, but what is locked.
const USUAL: [&str; 3] = ["config.toml", "credentials.age", "credentials.identity"];

/// A home with `acme` and `beta` in an encrypted file.
pub(crate) struct Home {
    /// Where the identities are.
    outside: TempDir,
    place: PathBuf,
}

impl Home {
    /// A home below the system's place for such.
    pub(crate) fn new() -> Self {
        let outside = TempDir::new().expect("a directory can be made");
        let place = outside.path().join("home");
        fs::create_dir(&place).expect("a directory can be made");
        Self::at(outside, place)
    }

    /// A home in a directory that is there.
    pub(crate) fn at(outside: TempDir, place: PathBuf) -> Self {
        let home = Self { outside, place };
        for (path, text) in home.identities().iter().zip(IDENTITIES) {
            write(path, text.as_bytes());
        }
        let unlock = json!({ "unlock": { "identity": home.identities()[0], "create": true } });
        home.has_done(&[unlock, login("acme", "old"), login("beta", "b")]);
        home
    }

    /// Asks for what is not denied.
    pub(crate) fn has_done(&self, requests: &[Value]) {
        let answers = self.ask(requests);
        assert_eq!(answers.len(), requests.len(), "{answers:?}");
        assert!(
            answers.iter().all(|answer| answer.get("denied").is_none()),
            "{answers:?}"
        );
    }

    fn identities(&self) -> [PathBuf; 2] {
        ["first", "second"].map(|name| self.outside.path().join(name))
    }

    /// The identity that does not open the file.
    pub(crate) fn second_identity(&self) -> PathBuf {
        self.identities()[1].clone()
    }

    fn directory(&self) -> PathBuf {
        self.place.join("ac-cred")
    }

    /// Every path that a change looks at or writes.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let directory = self.directory();
        let more = [
            "config.lock",
            "credentials.lock",
            "commands.json",
            "commands.lock",
            "commands.new",
            "config.new",
            "credentials.new",
            "renaming.json",
            "renaming.lock",
            "renaming.new",
        ];
        let names = USUAL.iter().chain(&more);
        let mut paths: Vec<_> = names.map(|name| directory.join(name)).collect();
        paths.extend(self.identities());
        paths.push(directory);
        paths
    }

    /// The files that are there when nothing is under way, with those of a change, but what is locked.
    pub(crate) fn usual_files(&self, more: &[&str]) -> Vec<PathBuf> {
        let names = USUAL.iter().chain(more);
        let mut files: Vec<_> = names.map(|name| self.directory().join(name)).collect();
        files.sort();
        files
    }

    /// All files with their content.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = fs::read_dir(self.directory()).expect("it is one's own");
        let file = |entry: std::io::Result<fs::DirEntry>| {
            let path = entry.expect("it is one's own").path();
            let bytes = fs::read(&path).expect("it is one's own");
            (path, bytes)
        };
        entries.map(file).collect()
    }

    /// Puts all files back as they were.
    pub(crate) fn restore(&self, files: &BTreeMap<PathBuf, Vec<u8>>) {
        for path in self.files().keys() {
            fs::remove_file(path).expect("it is one's own");
        }
        for (path, bytes) in files {
            write(path, bytes);
        }
    }

    /// The program with these requests.
    pub(crate) fn asking(&self, requests: &[Value]) -> Command {
        let mut command = Command::new(program());
        command
            .arg(&self.place)
            .args(requests.iter().map(Value::to_string))
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// What the program answers.
    pub(crate) fn ask(&self, requests: &[Value]) -> Vec<Value> {
        let output = self.asking(requests).output();
        answers(&output.expect("the program can be started"))
    }
}

/// The answers that a program has given.
pub(crate) fn answers(output: &Output) -> Vec<Value> {
    let lines = output.stdout.split(|&byte| byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    lines
        .map(|line| serde_json::from_slice(line).expect("an answer is JSON"))
        .collect()
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("it is one's own");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("it is one's own");
}

/// The program that puts requests to a broker, built once.
fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = cargo("build").expect("cargo can be run");
        build.args(["--quiet", "-p", "ac-credd", "--example", "requests"]);
        let status = build.status().expect("cargo can be run");
        assert!(status.success(), "the example cannot be built");
        let this = std::env::current_exe().expect("this program has a path");
        let directory = this.parent().and_then(Path::parent);
        let directory = directory.expect("a test is in a directory of its profile");
        directory.join("examples/requests")
    })
}
