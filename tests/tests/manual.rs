//! Completions do what they promise in real shells, and man pages are pages.

#![cfg(target_os = "linux")]

use std::{env, fs, path::PathBuf};

use ac_cred_tests::{
    process::skip,
    world::{Answer, Output, Run, World},
};

#[test]
fn bash_completes_commands_options_values_and_organizations() {
    let Some(place) = Place::with("bash") else {
        return;
    };
    place.write_completions("bash");
    let complete = |words: &str| {
        let line = format!(
            "source completions.bash
            COMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
            function=$(complete -p ac-cred); function=${{function#*-F }}
            ${{function%% *}} ac-cred \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"
            printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let run = place.world.program(&place.shell).args(["-c", &line]);
        place.in_path(run).run().succeeded().stdout.clone()
    };
    assert_eq!(complete("ac-cred sta"), "status\n");
    assert_eq!(complete("ac-cred get --re"), "--refresh\n");
    assert_eq!(complete("ac-cred get --format j"), "json\n");
    for command in [
        "get", "status", "reject", "logout", "use", "rename", "login",
    ] {
        let offered = complete(&format!("ac-cred {command} a"));
        assert_eq!(offered, "acme\nacme-2\n", "{command}");
    }
    assert_eq!(complete("ac-cred get --org b"), "beta\n");
    assert_eq!(complete("ac-cred get --refresh be"), "beta\n");
    assert_eq!(complete("ac-cred login new --from b"), "beta\n");
    assert_eq!(complete("ac-cred list a"), "\n");
}

#[test]
fn fish_completes_commands_options_values_and_organizations() {
    let Some(place) = Place::with("fish") else {
        return;
    };
    place.write_completions("fish");
    let complete = |words: &str| {
        let line = format!("source completions.fish; complete -C '{words}'");
        let run = place.world.program(&place.shell).args(["-N", "-c", &line]);
        let output = place.in_path(run).run().succeeded().stdout.clone();
        let offered = output.lines().map(|line| line.split('\t').next());
        offered
            .map(Option::unwrap_or_default)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(complete("ac-cred sta"), "status");
    assert_eq!(complete("ac-cred get --ref"), "--refresh");
    assert_eq!(complete("ac-cred get --format j"), "json");
    for command in [
        "get", "status", "reject", "logout", "use", "rename", "login",
    ] {
        let offered = complete(&format!("ac-cred {command} a"));
        assert_eq!(offered, "acme acme-2", "{command}");
    }
    assert_eq!(complete("ac-cred get --org b"), "beta");
    assert_eq!(complete("ac-cred login new --from b"), "beta");
}

#[test]
fn zsh_completes_at_its_prompt() {
    let Some(place) = Place::with("zsh") else {
        return;
    };
    place.write_completions("zsh");
    fs::rename(
        place.world.home().join("completions.zsh"),
        place.world.home().join("_ac-cred"),
    )
    .unwrap();
    let settings = "PROMPT='ready> '; fpath=(~ $fpath); autoload -U compinit; compinit -u -D\n";
    place.world.write(".zshrc", settings);
    for (typed, expected) in [
        ("ac-cred get be\t> out; exit", place.world.get("beta")),
        ("ac-cred get --org be\t> out; exit", place.world.get("beta")),
        ("ac-cred lis\t| tail -n 1 > out; exit", "beta".to_owned()),
    ] {
        let answers = [("ready> ", Answer::Shown(typed))];
        let output = place.world.at_terminal("exec zsh -i", &answers);
        assert_eq!(output.code, 0, "{typed:?}: {output:?}");
        let out = fs::read_to_string(place.world.home().join("out")).unwrap();
        assert_eq!(out.trim_end(), expected, "{typed:?}: {output:?}");
    }
}

#[test]
fn a_shell_that_is_not_known_is_refused_with_those_that_are() {
    let world = World::new();
    let output = world.ac_cred(["completions", "tcsh"]).run();
    output.refused(2).says("bash, zsh, fish, powershell");
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let output = world.ac_cred(["completions", shell]).run();
        assert!(
            output.succeeded().stdout.contains("ac-cred list"),
            "{shell}"
        );
        assert_eq!(output.stderr, "");
    }
    assert!(world.daemons().is_empty());
}

#[test]
fn every_page_is_one_for_man_and_has_what_the_help_has() {
    let world = World::new();
    let pages = world.home().join("man1");
    fs::create_dir(&pages).unwrap();
    let write = |directory: &str| world.ac_cred(["man", "--dir", directory]).run();
    write("man1").succeeded().says("pages are in man1");
    write("missing").refused(1).says("missing");
    let page = |words: &[&str]| -> Output { world.ac_cred(["man"]).args(words).run() };
    page(&["fly"]).refused(2).says("there is no such command");
    let main = fs::read_to_string(pages.join("ac-cred.1")).unwrap();
    assert_eq!(page(&[]).succeeded().stdout, main);
    let daemon = fs::read_to_string(pages.join("ac-cred-daemon-stop.1")).unwrap();
    assert_eq!(page(&["daemon", "stop"]).succeeded().stdout, daemon);

    let Some(mandoc) = in_path("mandoc") else {
        return;
    };
    for entry in fs::read_dir(&pages).unwrap() {
        let path = entry.unwrap().path();
        let lint = world.program(&mandoc).args(["-T", "lint", "-W", "error"]);
        lint.args([&path]).run().succeeded();
        let shown = world.program(&mandoc).args(["-T", "ascii"]).args([&path]);
        let shown = shown.run().succeeded().stdout.replace('\u{8}', "");
        assert!(shown.contains("EEXXAAMMPPLLEESS"), "{shown}");
    }
}

/// A world with organizations, and a shell.
struct Place {
    world: World,
    shell: PathBuf,
}

impl Place {
    fn with(shell: &str) -> Option<Self> {
        let shell = in_path(shell)?;
        let world = World::new();
        for name in ["acme", "acme-2", "beta"] {
            world.login(name);
        }
        Some(Self { world, shell })
    }

    fn write_completions(&self, shell: &str) {
        let output = self.world.ac_cred(["completions", shell]).run();
        let name = format!("completions.{shell}");
        self.world.write(&name, &output.succeeded().stdout);
    }

    /// Lets a program find `ac-cred` in its path.
    fn in_path(&self, run: Run) -> Run {
        let programs = self.world.programs().display();
        run.env("PATH", format!("{programs}:/usr/bin:/bin"))
    }
}

/// A program where Debian puts it; `.ci/run` installs what is missing elsewhere.
fn in_path(program: &str) -> Option<PathBuf> {
    let found = env::split_paths("/usr/bin:/bin").map(|directory| directory.join(program));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        skip(&format!("left to .ci/run: there is no {program}"));
    }
    found
}
