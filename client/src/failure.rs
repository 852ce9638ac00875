//! How a command fails, and the one line that says so.

use std::path::Path;

use ac_cred_proto::text::is_visible;
use ac_cred_proto::{Denial, ErrorCode};
use serde::Serialize;

use crate::exit_code::ExitCode;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// For a reason that its person or program is told.
    Denied(Denial),
    /// Nobody reads the output, so nobody is told.
    ReaderGone,
    /// Nothing was typed: the text is the help.
    NothingTyped(String),
    /// There is no such program.
    NotFound(String),
    /// The program cannot be run.
    NotExecutable(String),
    /// The program that was run ended with this code, and has told what there is to tell.
    #[cfg_attr(
        not(any(target_os = "linux", windows)),
        expect(dead_code, reason = "ac-cred only becomes programs there")
    )]
    ProgramEnded(u8),
}

impl From<Denial> for Failure {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl Failure {
    /// What the process ends with.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Denied(denial) => ExitCode::from(denial.error).number(),
            Self::ReaderGone => ExitCode::Internal.number(),
            Self::NothingTyped(_) => ExitCode::Usage.number(),
            // As shells have it.
            Self::NotFound(_) => 127,
            Self::NotExecutable(_) => 126,
            Self::ProgramEnded(code) => *code,
        }
    }
}

/// A refusal as a line for people.
pub(crate) fn line(denial: &Denial) -> String {
    visible(&format!("ac-cred: {denial}"))
}

/// A refusal as a line for programs.
pub(crate) fn json_line(denial: &Denial) -> String {
    let report = Report {
        version: 1,
        error: denial.error,
        message: visible(&denial.message),
        hint: denial.hint.as_deref().map(visible),
        retry_after: denial.retry_after,
    };
    serde_json::to_string(&report).unwrap_or_else(|_| line(denial))
}

/// The text without what could steer a terminal, whole: the daemon has cut what servers wrote.
pub(crate) fn visible(text: &str) -> String {
    text.chars().filter(|&c| is_visible(c)).collect()
}

/// A path in a command to type.
pub(crate) fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// The command by which a person mends what a file says.
pub(crate) fn edit(path: &Path) -> String {
    format!("\"${{EDITOR:-vi}}\" {}", quoted(path))
}

/// The refusal of what was typed.
pub(crate) fn usage(message: impl Into<String>) -> Denial {
    Denial::new(ErrorCode::Usage, message)
}

/// The refusal for want of a daemon that answers.
pub(crate) fn no_daemon(message: impl Into<String>) -> Denial {
    Denial::new(ErrorCode::DaemonUnreachable, message)
}

#[derive(Serialize)]
struct Report {
    version: u8,
    error: ErrorCode,
    message: String,
    hint: Option<String>,
    retry_after: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_command_stays_one_word() {
        assert_eq!(quoted(Path::new("/a b/c'd")), r"'/a b/c'\''d'");
    }

    #[test]
    fn a_refusal_is_one_line_with_the_next_command() {
        let denial = Denial::new(ErrorCode::LoginRequired, "acme has no credential")
            .hint("ac-cred login acme");
        assert_eq!(
            line(&denial),
            "ac-cred: acme has no credential; run: ac-cred login acme"
        );
    }

    #[test]
    fn a_refusal_in_json_has_every_field_in_the_documented_order() {
        let denial = Denial::new(ErrorCode::RateLimited, "the Auth API asks for patience")
            .retry_after(Some(30));
        assert_eq!(
            json_line(&denial),
            r#"{"version":1,"error":"rate_limited","message":"the Auth API asks for patience","hint":null,"retry_after":30}"#
        );
        let denial = Denial::new(ErrorCode::LoginRequired, "x").hint("ac-cred login acme");
        assert_eq!(
            json_line(&denial),
            r#"{"version":1,"error":"login_required","message":"x","hint":"ac-cred login acme","retry_after":null}"#
        );
    }

    #[test]
    fn a_servers_text_cannot_steer_a_terminal_and_a_long_one_stays_whole() {
        let denial = Denial::new(ErrorCode::AuthApiBadAnswer, "a\u{1b}[2Jb\r\nc\u{202e}d");
        assert_eq!(line(&denial), "ac-cred: a[2Jbcd");
        assert!(!json_line(&denial).contains("u001b"));
        assert_eq!(visible(&"x".repeat(500)).len(), 500);
    }
}
