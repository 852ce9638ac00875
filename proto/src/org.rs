//! The local name of an organization; it cannot hold an invalid one.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest alias, in bytes.
pub const MAX_ORG_LENGTH: usize = 64;

/// The alias a person gave an organization: 1 to 64 letters, digits, `.`, `_` or `-`, beginning
/// with a letter or digit.
///
/// The GUID by which Appcircle knows an organization has the same form, so a request may name an
/// organization by either. Clones share one text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Org(Arc<str>);

/// Why a text is not an alias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidOrg;

impl fmt::Display for InvalidOrg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an organization's name is 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or digit",
        )
    }
}

impl std::error::Error for InvalidOrg {}

impl Org {
    /// Takes a text that has the form of an alias.
    ///
    /// # Errors
    ///
    /// [`InvalidOrg`] when it has another form.
    pub fn parse(text: &str) -> Result<Self, InvalidOrg> {
        let mut bytes = text.bytes();
        let starts_well = bytes
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric());
        let goes_on_well = bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if starts_well && goes_on_well && text.len() <= MAX_ORG_LENGTH {
            Ok(Self(text.into()))
        } else {
            Err(InvalidOrg)
        }
    }

    /// The alias as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Org {
    type Err = InvalidOrg;

    fn from_str(text: &str) -> Result<Self, InvalidOrg> {
        Self::parse(text)
    }
}

impl fmt::Display for Org {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Org {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for Org {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Org {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, is_alias: bool) {
        assert_eq!(Org::parse(text).is_ok(), is_alias, "{text:?}");
    }

    #[test]
    fn an_alias_is_letters_digits_and_three_marks_and_begins_with_a_letter_or_digit() {
        for good in [
            "a",
            "acme",
            "Acme-2",
            "9",
            "a.b_c-d",
            "7a3f0000-0000-4000-8000-000000000000",
        ] {
            check(good, true);
        }
        for bad in [
            "", "-a", ".a", "_a", "a b", "a/b", "../x", "a\n", "ä", "a'b", "a$b", "a\0",
        ] {
            check(bad, false);
        }
        check(&"a".repeat(64), true);
        check(&"a".repeat(65), false);
    }
}
