//! Screens in terminals of 60, 100 and 200 columns: no line is wider than its terminal where it can be
//! wrapped, and colours are those that can be read on light and on dark.

#![cfg(unix)]

use ac_cred_tests::world::{Output, World};

/// The columns of the terminals.
const WIDTHS: [usize; 3] = [60, 100, 200];

/// The colours that are used, and what ends them: bold, red, green, magenta.
const PAINTS: [&str; 5] = ["0m", "1m", "31m", "32m", "35m"];

/// A line in a terminal of so many columns.
fn in_columns(world: &World, width: usize, line: &str) -> Output {
    world.at_terminal(&format!("stty rows 40 cols {width} && {line}"), &[])
}

/// The lines that were shown, without what paints them.
fn plain_lines(output: &Output) -> Vec<String> {
    let mut painted = output.stdout.split('\u{1b}');
    let mut text = painted.next().unwrap_or_default().to_owned();
    for piece in painted {
        let code = piece.strip_prefix('[').unwrap_or_default();
        let rest = PAINTS.iter().find_map(|paint| code.strip_prefix(paint));
        assert!(rest.is_some(), "an odd sequence: {piece:?}");
        text += rest.unwrap_or_default();
    }
    text.lines().map(str::to_owned).collect()
}

/// Whether a line fits, or is one that is copied as it stands: a word or a command is not broken.
fn fits(line: &str, width: usize) -> bool {
    let text = line.trim_start();
    let is_one_word = !text.contains(' ');
    line.chars().count() <= width
        || is_one_word
        || ["run: ", "Usage: ", "ac-cred: "]
            .iter()
            .any(|start| text.starts_with(start))
}

/// All commands with those below them, from the help.
fn commands(world: &World) -> Vec<String> {
    let below = |words: &str| -> Vec<String> {
        let help = world.shell(&format!("ac-cred {words} --help")).run();
        let text = help.succeeded().stdout.clone();
        let listed = text.split("Commands:\n").nth(1).unwrap_or_default();
        let listed = listed.split("\n\n").next().unwrap_or_default();
        let names = listed.lines().filter_map(|line| {
            let name = line.strip_prefix("  ")?.split(' ').next()?;
            (!name.is_empty() && name != "help").then(|| format!("{words} {name}"))
        });
        names.collect()
    };
    let mut found = below("");
    let deeper: Vec<String> = found.iter().flat_map(|words| below(words)).collect();
    found.extend(deeper);
    found
}

#[test]
fn no_line_of_help_is_wider_than_the_terminal() {
    let world = World::new();
    let commands = commands(&world);
    assert!(commands.len() > 20, "{commands:?}");
    for width in WIDTHS {
        let helps = commands.iter().flat_map(|words| {
            [
                format!("ac-cred {words} --help"),
                format!("ac-cred {words} -h"),
            ]
        });
        let line = [vec!["ac-cred --help".to_owned()], helps.collect()]
            .concat()
            .join("; ");
        let shown = plain_lines(in_columns(&world, width, &line).succeeded());
        assert!(shown.len() > 300);
        for line in shown {
            assert!(fits(&line, width), "{width}: {line}");
        }
    }
}

#[test]
fn what_is_told_fits_the_terminal_with_and_without_colour() {
    let world = World::new();
    world.login("acme");
    let long = "an-organization-with-a-name-that-is-rather-long";
    let account = world.login(long);
    world.sim().revoke(&account.key);
    world.ac_cred(["get", long, "--refresh"]).run().refused(4);
    for width in WIDTHS {
        for line in [
            "ac-cred status",
            "ac-cred doctor",
            "ac-cred audit",
            "ac-cred status acme",
        ] {
            let output = in_columns(&world, width, line);
            for line in plain_lines(&output) {
                assert!(fits(&line, width), "{width}: {line}");
            }
            let without = in_columns(&world, width, &format!("NO_COLOR=1 {line}"));
            assert!(!without.stdout.contains('\u{1b}'), "{without:?}");
            if line != "ac-cred audit" {
                assert!(output.stdout.contains('\u{1b}'), "{output:?}");
            }
        }
    }
}

#[test]
fn a_failure_is_one_line_at_a_terminal_too() {
    let world = World::new();
    world.login("acme");
    for line in ["ac-cred get nobody", "ac-cred gte", "ac-cred login 'a b'"] {
        let output = in_columns(&world, 60, line);
        assert_eq!(output.stdout.lines().count(), 1, "{output:?}");
        assert!(
            output.stdout.starts_with("ac-cred: ") && output.stdout.contains("; run: "),
            "{output:?}"
        );
    }
}
