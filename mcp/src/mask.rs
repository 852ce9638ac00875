//! Hides the tokens that were sent from what a server answers: a client shows errors to people and
//! writes them into logs.

use std::collections::VecDeque;
use std::mem;
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
    /// could steer a terminal. A message that holds neither is not changed.
    #[must_use]
    pub fn message(&self, text: String) -> String {
        let text = self.plain(text);
        // JSON can write any character as an escape, and a slash has one of its own.
        let may_hide = text.contains("\\u") || text.contains("\\/");
        if !may_hide && !text.contains("\"error\"") {
            return text;
        }
        let Ok(mut value) = serde_json::from_str::<Value>(&text) else {
            return text;
        };
        let mut is_changed = false;
        self.clean(&mut value, false, &mut is_changed);
        if is_changed { value.to_string() } else { text }
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

    /// Cleans every text in a value; within an error also of what cannot be seen.
    fn clean(&self, value: &mut Value, in_error: bool, is_changed: &mut bool) {
        match value {
            Value::String(text) => {
                let mut clean = self.plain(text.clone());
                if in_error && !clean.chars().all(is_visible) {
                    clean = seen(&clean);
                }
                if clean != *text {
                    *text = clean;
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
            self.clean(&mut value, in_error || name == "error", is_changed);
            let clean = self.plain(name.clone());
            *is_changed |= clean != name;
            fields.insert(clean, value);
        }
    }
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
            assert_eq!(mask().message(text.to_owned()), text);
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
                let hidden = mask().message(text);
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
        let read: Value = serde_json::from_str(&mask().message(text.to_owned())).unwrap();
        assert_eq!(read["error"]["message"], "a[2Jb c");
        assert_eq!(read["error"]["data"]["x"], "d");
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
