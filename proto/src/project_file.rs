//! The file by which a directory chooses an organization: one name and nothing else.

use std::fmt;

use serde::Deserialize;

use crate::org::Org;

/// What such a file is called.
pub const FILE_NAME: &str = ".ac-cred.toml";

/// The most bytes of it that are read: a name with a comment is far shorter.
pub const MAX_LENGTH: u64 = 4_096;

/// A file holds something else than one name; what it holds is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotOneName {
    /// The line that is wrong, from 1.
    pub line: usize,
}

impl fmt::Display for NotOneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "it may hold organization = \"NAME\" and nothing else (line {})",
            self.line
        )
    }
}

impl std::error::Error for NotOneName {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    organization: Org,
}

/// The alias or GUID that a file's text names.
///
/// # Errors
///
/// [`NotOneName`] when the text is not TOML, has another key, or names none.
pub fn parse(text: &str) -> Result<Org, NotOneName> {
    match toml::from_str::<Content>(text) {
        Ok(content) => Ok(content.organization),
        Err(error) => {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or_default();
            Err(NotOneName {
                line: before.matches('\n').count() + 1,
            })
        }
    }
}

/// The text of a file that names this organization.
#[must_use]
pub fn text(organization: &Org) -> String {
    format!("organization = \"{organization}\"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        for name in ["acme", "7a3f0000-0000-4000-8000-000000000000", "a.b_c-D"] {
            let org = Org::parse(name).unwrap();
            assert_eq!(parse(&text(&org)), Ok(org));
        }
        let commented = "# ours\norganization = 'acme' # why\n";
        assert_eq!(parse(commented), Ok(Org::parse("acme").unwrap()));
    }

    #[test]
    fn anything_else_than_one_name_is_refused_with_its_line() {
        for (text, line) in [
            ("", 1),
            ("acme", 1),
            ("organization = 3", 1),
            ("organization = ''", 1),
            ("organization = 'a b'", 1),
            ("organization = '$(reboot)'", 1),
            (
                "organization = 'acme'\nauth_url = 'https://evil.example'",
                2,
            ),
            ("organization = 'acme'\n\n[organizations.acme]\n", 3),
            ("organization = 'acme'\norganization = 'beta'\n", 2),
            ("default = 'acme'", 1),
            ("organization.x = 'acme'", 1),
            ("organization = 'acme'\n\u{1b}[2J", 2),
        ] {
            assert_eq!(parse(text), Err(NotOneName { line }), "{text:?}");
        }
    }

    #[test]
    fn a_deeply_nested_file_is_refused_too() {
        let length = usize::try_from(MAX_LENGTH).unwrap();
        for unit in ["[", "{a=", "a."] {
            let nested = unit.repeat(length / unit.len());
            assert!(parse(&format!("organization = {nested}")).is_err());
            assert!(parse(&nested).is_err());
        }
    }
}
