//! Completions for shells, from the definitions of the command line; names of organizations are
//! asked of `ac-cred list` as they are typed.

use ac_cred_proto::{Denial, ErrorCode};
use clap::{Arg, Command};
use clap_complete::Shell;

use crate::cli::SHELLS;
use crate::failure::usage;

/// What stands in a generated script where names of organizations belong.
const NAMES: &str = "@ORGANIZATIONS@";

/// What the values are called for which known organizations are offered.
const NAME_OF_KNOWN: [&str; 2] = ["ORG", "OLD"];

/// What zsh completes by in place of a list of names.
const OF_ZSH: &str = "\
_ac-cred_organizations() {
    local -a names
    names=(${(f)\"$(ac-cred list 2>/dev/null)\"})
    compadd \"$@\" -a names
}
";

/// What PowerShell adds to what it completes.
const OF_POWERSHELL: &str = "
            ac-cred list 2>$null | ForEach-Object {
                [CompletionResult]::new($_, $_, [CompletionResultType]::ParameterValue, $_)
            }";

/// The script that completes `command` in a shell.
pub(crate) fn script(shell: &str, command: Command) -> Result<String, Denial> {
    let (_, shell) = known(shell)?;
    let mut command = marked(command);
    command.build();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "ac-cred", &mut script);
    let script = String::from_utf8(script)
        .map_err(|_| Denial::new(ErrorCode::Internal, "the completions are not UTF-8"))?;
    Ok(if shell == Shell::Zsh {
        of_zsh(&script)
    } else if shell == Shell::Fish {
        of_fish(&script, &command)
    } else if shell == Shell::PowerShell {
        of_powershell(&script, &command)
    } else {
        of_bash(&script)
    })
}

fn known(name: &str) -> Result<(&'static str, Shell), Denial> {
    let shells = [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell];
    let mut named = SHELLS.into_iter().zip(shells);
    named
        .find(|(known, _)| *known == name)
        .ok_or_else(|| usage(format!("the shell is one of {}", SHELLS.join(", "))))
}

/// The command with a mark as the one possible value wherever an organization is named.
fn marked(command: Command) -> Command {
    command
        .mut_args(|arg| {
            if names_known(&arg) {
                arg.value_parser([NAMES])
            } else {
                arg
            }
        })
        .mut_subcommands(marked)
}

fn names_known(arg: &Arg) -> bool {
    let names = arg.get_value_names().unwrap_or_default();
    names
        .iter()
        .any(|name| NAME_OF_KNOWN.contains(&name.as_str()))
}

/// The generator writes a program's name with a hyphen in one way where a command is found, and in
/// another where it is completed (clap-rs/clap, issue 6421).
fn of_bash(script: &str) -> String {
    script
        .replace("ac__subcmd__cred", "ac__cred")
        .replace(NAMES, "$(ac-cred list 2>/dev/null)")
}

fn of_zsh(script: &str) -> String {
    script
        .replace(&format!(":({NAMES})"), ":_ac-cred_organizations")
        .replacen("\n_ac-cred() {", &format!("\n{OF_ZSH}\n_ac-cred() {{"), 1)
}

/// Fish is told of words that are no options only here.
fn of_fish(script: &str, command: &Command) -> String {
    let names = "\"(ac-cred list 2>/dev/null)\"";
    let mut script = script.replace(&format!("\"{NAMES}\\t''\""), names);
    for (words, command) in below(&[], command) {
        if !command.get_positionals().any(names_known) {
            continue;
        }
        let mut words = words.iter();
        let first = words.next().copied().unwrap_or_default();
        let rest = words.map(|word| format!("; and __fish_seen_subcommand_from {word}"));
        let rest: String = rest.collect();
        let condition = format!("__fish_ac_cred_using_subcommand {first}{rest}");
        script.extend([
            "complete -c ac-cred -n \"",
            &condition,
            "\" -f -a ",
            names,
            "\n",
        ]);
    }
    script
}

/// PowerShell is told of no values but here.
fn of_powershell(script: &str, command: &Command) -> String {
    let mut script = script.to_owned();
    for (words, command) in below(&[], command) {
        if command.get_arguments().any(names_known) {
            let case = format!("\n        'ac-cred;{}' {{", words.join(";"));
            script = script.replacen(&case, &format!("{case}{OF_POWERSHELL}"), 1);
        }
    }
    script
}

/// The commands below a command, each with the words that lead to it.
fn below<'a>(words: &[&'a str], command: &'a Command) -> Vec<(Vec<&'a str>, &'a Command)> {
    let mut found = Vec::new();
    for inner in command.get_subcommands() {
        let words = [words, &[inner.get_name()]].concat();
        found.extend(below(&words, inner));
        found.push((words, inner));
    }
    found
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_shell_asks_for_names_and_shows_no_mark() {
        for shell in SHELLS {
            let script = script(shell, Cli::command()).unwrap();
            assert!(!script.contains(NAMES), "{shell}: {script}");
            assert!(script.contains("ac-cred list 2>"), "{shell}");
        }
        assert!(script("tcsh", Cli::command()).is_err());
    }

    #[test]
    fn powershell_offers_names_where_one_is_meant() {
        let script = script("powershell", Cli::command()).unwrap();
        for (words, is_meant) in [("get", true), ("login", true), ("list", false)] {
            let case = format!("'ac-cred;{words}' {{");
            let block = script.split(&case).nth(1).unwrap();
            let block = block.split("break").next().unwrap();
            assert_eq!(block.contains("ac-cred list"), is_meant, "{words}: {block}");
        }
    }
}
