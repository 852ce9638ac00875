//! The forms in which `get` prints a token: what stands before, between and after it.
//!
//! A token has only the characters of a bearer token, which is checked wherever one comes in; the
//! quotes here would hold without that as well.

use crate::cli::{Format, Shell};

/// The texts around a token: it stands between each two of them.
pub(crate) type Pieces = &'static [&'static str];

const TOKEN: Pieces = &["", "\n"];
const HEADER: Pieces = &["Authorization: Bearer ", "\n"];
const HEADERS: Pieces = &[r#"{"Authorization":"Bearer "#, "\"}\n"];
const CURL: Pieces = &[r#"header = "Authorization: Bearer "#, "\"\n"];
const POSIX: Pieces = &["export AC_ACCESS_TOKEN='", "'\n"];
const FISH: Pieces = &["set -gx AC_ACCESS_TOKEN '", "'\n"];
const POWERSHELL: Pieces = &["$env:AC_ACCESS_TOKEN = '", "'\n"];
/// The runner masks what the first command prints before anything else can print the token; the
/// file is what it gives to the steps that follow.
const GITHUB_ACTIONS: Pieces = &[
    "cat <<'AC_CRED'\n::add-mask::",
    "\nAC_CRED\nexport AC_ACCESS_TOKEN='",
    "'\ncat >>\"$GITHUB_ENV\" <<'AC_CRED'\nAC_ACCESS_TOKEN=",
    "\nAC_CRED\n",
];

/// The texts of a format; `None` for JSON, which holds more than the token.
pub(crate) fn pieces(format: Format, shell: Shell) -> Option<Pieces> {
    match format {
        Format::Token => Some(TOKEN),
        Format::Json => None,
        Format::Header => Some(HEADER),
        Format::Headers => Some(HEADERS),
        Format::Curl => Some(CURL),
        Format::Env => Some(match shell {
            Shell::Posix => POSIX,
            Shell::Fish => FISH,
            Shell::Powershell => POWERSHELL,
            Shell::GithubActions => GITHUB_ACTIONS,
        }),
    }
}
