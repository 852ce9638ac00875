//! Hides the tokens that were sent from what a server answers: a client shows errors to people and
//! writes them into logs.

use std::collections::VecDeque;
use std::mem;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use ac_cred_proto::secret::SessionToken;
use ac_cred_proto::text::is_visible;
use serde_json::Value;

/// How many of the tokens that were sent last are known: a stream may be older than a renewal.
const REMEMBERED: usize = 8;

/// What stands in the place of a token.
const STAND_IN: &str = "[session token]";

/// The fields of an object.
type Fields = serde_json::Map<String, Value>;

/// The tokens that were sent.
#[derive(Debug, Default)]
pub struct Mask {
    tokens: Mutex<VecDeque<SessionToken>>,
}

impl Mask {
    /// Remembers a token that is about to be sent.
    pub fn remember(&self, token: &SessionToken) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if !tokens.iter().any(|known| known.is(token)) {
            tokens.truncate(REMEMBERED - 1);
            tokens.push_front(token.clone());
        }
    }

    /// A server's message without the tokens, and without characters in the words of an error that
    /// could steer a terminal; one that holds neither is not changed. `None` where an error is nested
    /// so deeply that its words cannot be told.
    #[must_use]
    pub fn message(&self, text: String) -> Option<String> {
        let text = self.unescaped(self.plain(text));
        // JSON can write any character as an escape.
        if !text.contains("\"error\"") && !text.contains("\\u") {
            return Some(text);
        }
        let Ok(mut value) = serde_json::from_str::<Value>(&text) else {
            return (!may_name_an_error(&text)).then_some(text);
        };
        let mut is_changed = false;
        self.clean(&mut value, false, &mut is_changed);
        Some(if is_changed { value.to_string() } else { text })
    }

    /// The same for a text that is not JSON.
    #[must_use]
    pub fn plain(&self, text: String) -> String {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.iter().fold(text, |text, token| {
            if text.contains(token.expose()) {
                text.replace(token.expose(), STAND_IN)
            } else {
                text
            }
        })
    }

    /// JSON without the tokens that it writes with escapes. It is not parsed for that: a parser
    /// keeps one of two fields with the same name, and a client's log may show both.
    fn unescaped(&self, text: String) -> String {
        // A slash has an escape of its own.
        if !text.contains("\\u") && !text.contains("\\/") {
            return text;
        }
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.iter().fold(text, |text, token| {
            let mut clean = String::with_capacity(text.len());
            let mut kept = 0;
            for span in spans(text.as_bytes(), token.expose().as_bytes()) {
                clean.push_str(text.get(kept..span.start).unwrap_or_default());
                clean.push_str(STAND_IN);
                kept = span.end;
            }
            clean.push_str(text.get(kept..).unwrap_or_default());
            clean
        })
    }

    /// Cleans every text in an error of what cannot be seen.
    fn clean(&self, value: &mut Value, in_error: bool, is_changed: &mut bool) {
        match value {
            Value::String(text) => {
                if in_error && !text.chars().all(is_visible) {
                    // What was taken out may have stood in the middle of a token.
                    *text = self.plain(seen(text));
                    *is_changed = true;
                }
            }
            Value::Array(values) => {
                for value in values {
                    self.clean(value, in_error, is_changed);
                }
            }
            Value::Object(fields) => self.clean_fields(fields, in_error, is_changed),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn clean_fields(&self, fields: &mut Fields, in_error: bool, is_changed: &mut bool) {
        for (name, mut value) in mem::take(fields) {
            let in_error = in_error || name == "error";
            self.clean(&mut value, in_error, is_changed);
            let mut name = Value::String(name);
            self.clean(&mut name, in_error, is_changed);
            if let Value::String(name) = name {
                fields.insert(name, value);
            }
        }
    }
}

/// Where JSON writes a token.
fn spans(json: &[u8], token: &[u8]) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some((_, length)) = json.get(at..).and_then(character) {
        match written(json, at, token) {
            Some(end) => {
                spans.push(at..end);
                at = end;
            }
            None => at += length,
        }
    }
    spans
}

/// Where a token ends that JSON writes from here on.
fn written(json: &[u8], start: usize, token: &[u8]) -> Option<usize> {
    token.iter().try_fold(start, |at, byte| {
        let (found, length) = character(json.get(at..)?)?;
        (found == u32::from(*byte)).then_some(at + length)
    })
}

/// The character that JSON writes next, as far as a token can have it, and the length of its
/// writing.
fn character(json: &[u8]) -> Option<(u32, usize)> {
    Some(match json {
        [b'\\', b'u', digits @ ..] if digits.len() >= 4 => {
            let digits = digits.get(..4)?;
            let number = str::from_utf8(digits).ok();
            let number = number.and_then(|digits| u32::from_str_radix(digits, 16).ok());
            number.map_or((0, 2), |number| (number, 6))
        }
        [b'\\', b'/', ..] => (u32::from(b'/'), 2),
        [b'\\', _, ..] => (0, 2),
        [byte, ..] => (u32::from(*byte), 1),
        [] => return None,
    })
}

/// Whether a text that cannot be parsed could have an error.
fn may_name_an_error(text: &str) -> bool {
    text.contains("\"error\"") || !spans(text.as_bytes(), b"\"error\"").is_empty()
}

/// A text in one line that can be seen as it is.
fn seen(text: &str) -> String {
    let spaced = text.replace(['\n', '\r', '\t'], " ");
    spaced.chars().filter(|&c| is_visible(c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJ.marker/x+y.z==";

    fn mask() -> Mask {
        let mask = Mask::default();
        mask.remember(&SessionToken::parse(TOKEN).unwrap());
        mask
    }

    #[test]
    fn a_message_without_a_token_stays_as_it_is() {
        for text in [
            r#"{ "jsonrpc":"2.0","id":1.50,"result":{"b":1,"a":"\u00e4 \/"} }"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"message":"no","code":-1}}"#,
        ] {
            assert_eq!(mask().message(text.to_owned()).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_token_is_hidden_however_json_writes_it() {
        let escapes: Vec<_> = TOKEN
            .chars()
            .map(|c| format!("\\u{:04x}", u32::from(c)))
            .collect();
        let all_escaped = escapes.concat();
        for written in [TOKEN, &TOKEN.replace('/', "\\/"), &all_escaped] {
            for text in [
                format!(r#"{{"id":1,"error":{{"code":1,"message":"bad {written}"}}}}"#),
                format!(r#"{{"id":1,"result":{{"isError":true,"text":"bad {written}"}}}}"#),
                format!(r#"{{"id":1,"result":{{"{written}":[1,"{written}"]}}}}"#),
            ] {
                let hidden = mask().message(text).unwrap();
                let read: Value = serde_json::from_str(&hidden).unwrap();
                assert!(!read.to_string().contains("marker"), "{hidden}");
                assert!(hidden.contains(STAND_IN), "{hidden}");
            }
        }
    }

    #[test]
    fn the_words_of_an_error_cannot_steer_a_terminal() {
        let text =
            r#"{"id":1,"error":{"code":1,"message":"a\u001b[2Jb\nc","data":{"x":"\u202ed"}}}"#;
        let clean = mask().message(text.to_owned()).unwrap();
        let read: Value = serde_json::from_str(&clean).unwrap();
        assert_eq!(read["error"]["message"], "a[2Jb c");
        assert_eq!(read["error"]["data"]["x"], "d");
    }

    #[test]
    fn a_token_is_hidden_where_a_parser_would_not_look() {
        let escaped = TOKEN.replace('e', "\\u0065");
        let deep = "[".repeat(200);
        let end = "]".repeat(200);
        for text in [
            format!(r#"{{"id":1,"result":"{escaped}","result":2}}"#),
            format!(r#"{{"id":1,"result":{deep}"{escaped}"{end}}}"#),
        ] {
            let hidden = mask().message(text).unwrap();
            assert!(hidden.contains(STAND_IN), "{hidden}");
        }
    }

    #[test]
    fn what_is_taken_out_of_an_error_does_not_put_a_token_together() {
        let parts = TOKEN.replacen("eyJ", "ey\\u0000J", 1);
        let text = format!(r#"{{"id":1,"error":{{"message":"{parts}","{parts}":1}}}}"#);
        let hidden = mask().message(text).unwrap();
        assert!(!hidden.contains("marker"), "{hidden}");
    }

    #[test]
    fn an_escaped_backslash_is_no_part_of_an_escape() {
        let text = format!(
            r#"{{"id":1,"result":"\\\\{}"}}"#,
            TOKEN.replacen('e', "u0065", 1)
        );
        assert_eq!(mask().message(text.clone()), Some(text));
    }

    #[test]
    fn an_error_that_is_nested_too_deeply_is_no_message() {
        let (deep, end) = ("[".repeat(200), "]".repeat(200));
        for name in ["error", "\\u0065rror"] {
            let text =
                format!(r#"{{"id":1,"{name}":{{"message":"\u001b[2J","data":{deep}{end}}}}}"#);
            assert_eq!(mask().message(text), None);
        }
    }

    #[test]
    fn older_tokens_are_known_but_not_without_end() {
        let mask = mask();
        for number in 0..REMEMBERED {
            mask.remember(&SessionToken::parse(&format!("eyJ.{number}")).unwrap());
        }
        assert_eq!(mask.plain("x eyJ.0 y".to_owned()), "x [session token] y");
        assert_eq!(mask.tokens.lock().unwrap().len(), REMEMBERED);
        assert!(mask.plain(TOKEN.to_owned()).contains("marker"));
    }
}
