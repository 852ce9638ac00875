//! Secrets that print as nothing and are wiped when dropped, and the one door through which they
//! cross the socket.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest session token, in bytes; it has to fit a frame together with the rest of a lease.
pub const MAX_TOKEN_LENGTH: usize = 16_384;
/// The longest credential or passphrase, in bytes.
pub const MAX_CREDENTIAL_LENGTH: usize = 8_192;

/// A text that is not a secret of the wanted kind; it does not say what the text was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidSecret {
    /// It has no characters.
    Empty,
    /// It is longer than such a secret can be.
    TooLong,
    /// It holds a character that such a secret cannot hold.
    Character,
}

impl std::fmt::Display for InvalidSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "it is empty",
            Self::TooLong => "it is too long",
            Self::Character => "it holds characters that a secret cannot have",
        })
    }
}

impl std::error::Error for InvalidSecret {}

/// The short-lived bearer token that the Auth API gives for a credential.
///
/// It holds only the characters of a bearer token (RFC 6750, `b64token`), so that it needs no
/// quoting in a header, a shell or a terminal.
///
/// Its clones share one text, which is wiped with the last of them.
#[derive(Clone, Debug)]
pub struct SessionToken(Arc<SecretString>);

/// The long-lived secret: a Personal Access Key, a Personal Access Token or the secret of an API key.
#[derive(Clone, Debug)]
pub struct Credential(SecretString);

/// What opens the encrypted store.
#[derive(Clone, Debug)]
pub struct Passphrase(SecretString);

/// Which bytes a token may have: RFC 6750's `b64token`. A client looks at more than a thousand, so
/// that they are looked up.
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "it ends at 255, and no other conversion is constant"
)]
const IS_TOKEN_BYTE: [bool; 256] = {
    let mut is_allowed = [false; 256];
    let mut byte = 0;
    while byte < is_allowed.len() {
        let value = byte as u8;
        is_allowed[byte] = value.is_ascii_alphanumeric()
            || matches!(value, b'+' | b'-'..=b'/' | b'=' | b'_' | b'~');
        byte += 1;
    }
    is_allowed
};

fn measured(text: &str, longest: usize) -> Result<(), InvalidSecret> {
    match text.len() {
        0 => Err(InvalidSecret::Empty),
        length if length > longest => Err(InvalidSecret::TooLong),
        _ => Ok(()),
    }
}

fn allowed(is_allowed: bool) -> Result<(), InvalidSecret> {
    is_allowed.then_some(()).ok_or(InvalidSecret::Character)
}

impl SessionToken {
    /// Takes a text that can be a bearer token.
    ///
    /// # Errors
    ///
    /// [`InvalidSecret`] when it is empty, longer than [`MAX_TOKEN_LENGTH`] or has other characters.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        Self::check(text)?;
        Ok(Self(Arc::new(SecretString::from(text))))
    }

    fn check(text: &str) -> Result<(), InvalidSecret> {
        measured(text, MAX_TOKEN_LENGTH)?;
        allowed(text.bytes().all(|byte| IS_TOKEN_BYTE[usize::from(byte)]))
    }

    /// The token for a place that ARCHITECTURE.md lists as one of its doors.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether both are the same token.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

impl Credential {
    /// Takes a text that can be a credential: visible ASCII without spaces.
    ///
    /// # Errors
    ///
    /// [`InvalidSecret`] when it is empty, longer than [`MAX_CREDENTIAL_LENGTH`] or has other characters.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        Self::check(text)?;
        Ok(Self(SecretString::from(text)))
    }

    fn check(text: &str) -> Result<(), InvalidSecret> {
        measured(text, MAX_CREDENTIAL_LENGTH)?;
        allowed(text.bytes().all(|byte| byte.is_ascii_graphic()))
    }

    /// The credential for one of its two doors: the store and the Auth API.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl Passphrase {
    /// Takes any text of one line.
    ///
    /// # Errors
    ///
    /// [`InvalidSecret`] when it is empty, longer than [`MAX_CREDENTIAL_LENGTH`] or has control
    /// characters.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        Self::check(text)?;
        Ok(Self(SecretString::from(text)))
    }

    fn check(text: &str) -> Result<(), InvalidSecret> {
        measured(text, MAX_CREDENTIAL_LENGTH)?;
        allowed(!text.chars().any(char::is_control))
    }

    /// The passphrase for the store that it opens.
    #[must_use]
    pub fn as_secret(&self) -> &SecretString {
        &self.0
    }
}

macro_rules! crosses_the_socket {
    ($($secret:ty),+) => {$(
        impl Serialize for $secret {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.expose_secret())
            }
        }

        impl<'de> Deserialize<'de> for $secret {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = SecretString::from(String::deserialize(deserializer)?);
                Self::check(text.expose_secret()).map_err(D::Error::custom)?;
                Ok(Self(text.into()))
            }
        }
    )+};
}

crosses_the_socket!(SessionToken, Credential, Passphrase);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_nothing() {
        let printed = format!(
            "{:?} {:#?} {:?}",
            SessionToken::parse("marker-token").unwrap(),
            Credential::parse("marker-credential").unwrap(),
            Passphrase::parse("marker passphrase").unwrap(),
        );
        assert!(!printed.contains("marker"), "{printed}");
    }

    #[test]
    fn a_token_has_only_the_characters_of_a_bearer_token() {
        for good in ["a", "eyJ.eyJ.x-y_z", "a+b/c==", "~"] {
            assert!(SessionToken::parse(good).is_ok(), "{good:?}");
        }
        for bad in [
            "",
            "a b",
            "a\n",
            "a\r",
            "a\0",
            "a'",
            "a\"",
            "a$",
            "a`",
            "a;",
            "a%",
            "a\u{1b}[m",
            "ä",
            "a\u{202e}",
        ] {
            assert!(SessionToken::parse(bad).is_err(), "{bad:?}");
        }
        assert!(SessionToken::parse(&"a".repeat(MAX_TOKEN_LENGTH)).is_ok());
        assert_eq!(
            SessionToken::parse(&"a".repeat(MAX_TOKEN_LENGTH + 1)).err(),
            Some(InvalidSecret::TooLong)
        );
    }

    #[test]
    fn a_credential_may_hold_the_marks_of_base64_but_no_space_or_control_character() {
        assert!(Credential::parse("ab+/==&%").is_ok());
        for bad in ["", "a b", "a\n", "\u{7f}", "ä"] {
            assert!(Credential::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_error_does_not_echo_the_text() {
        let error = serde_json::from_str::<Credential>("\"marker secret\"").unwrap_err();
        assert!(!error.to_string().contains("marker"), "{error}");
    }
}
