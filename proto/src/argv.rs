//! The program that prints a credential and its arguments: words that no shell ever reads.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest command, in bytes, the line feeds between its words included.
pub const MAX_ARGV_LENGTH: usize = 4_096;

/// A program and its arguments.
///
/// It crosses the socket as one text with a word on each line, as no message holds a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argv(String);

/// Why words are no command; it does not repeat them, since one of them may be a secret that was
/// typed into the wrong place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidArgv {
    /// There is no program.
    Empty,
    /// It is longer than [`MAX_ARGV_LENGTH`].
    TooLong,
    /// A word holds a line feed or another control character.
    Character,
}

impl fmt::Display for InvalidArgv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it names no program",
            Self::TooLong => "it is too long",
            Self::Character => "it holds control characters",
        })
    }
}

impl std::error::Error for InvalidArgv {}

impl Argv {
    /// Takes the words of a command, the program first.
    ///
    /// # Errors
    ///
    /// [`InvalidArgv`] when there is no program, a word has control characters, or all are too long.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidArgv> {
        let words: Vec<&str> = words.into_iter().collect();
        if words.iter().any(|word| word.contains('\n')) {
            return Err(InvalidArgv::Character);
        }
        Self::parse(&words.join("\n"))
    }

    /// Takes a text with a word on each line.
    ///
    /// # Errors
    ///
    /// [`InvalidArgv`] when there is no program, a word has control characters, or all are too long.
    pub fn parse(text: &str) -> Result<Self, InvalidArgv> {
        if text.len() > MAX_ARGV_LENGTH {
            Err(InvalidArgv::TooLong)
        } else if text.chars().any(|c| c.is_control() && c != '\n') {
            Err(InvalidArgv::Character)
        } else if text.split('\n').next().is_none_or(str::is_empty) {
            Err(InvalidArgv::Empty)
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &str {
        self.0.split('\n').next().unwrap_or_default()
    }

    /// What follows the program.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.0.split('\n').skip(1)
    }
}

impl Serialize for Argv {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Argv {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_as_they_are_typed() {
        let words = ["/usr/bin/pass", "show", "a b", "", "$(id);'\"\\"];
        let argv = Argv::new(words).unwrap();
        assert_eq!(argv.program(), words[0]);
        assert!(argv.arguments().eq(words[1..].iter().copied()));
        let text = serde_json::to_string(&argv).unwrap();
        assert_eq!(serde_json::from_str::<Argv>(&text).unwrap(), argv);
    }

    #[test]
    fn what_is_no_command_is_refused_without_being_repeated() {
        assert_eq!(Argv::new([]).unwrap_err(), InvalidArgv::Empty);
        assert_eq!(Argv::new(["", "x"]).unwrap_err(), InvalidArgv::Empty);
        for bad in ["a\nb", "a\tb", "a\0b", "a\u{1b}"] {
            let refused = Argv::new(["/bin/cat", bad]).unwrap_err();
            assert_eq!(refused, InvalidArgv::Character, "{bad:?}");
        }
        let long = "x".repeat(MAX_ARGV_LENGTH + 1);
        assert_eq!(Argv::new([&*long]).unwrap_err(), InvalidArgv::TooLong);
        let error = serde_json::from_str::<Argv>("\"marker\\t\"").unwrap_err();
        assert!(!error.to_string().contains("marker"), "{error}");
    }
}
