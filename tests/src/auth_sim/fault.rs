//! The ways in which an answer can go wrong, and what each puts on the wire.

use std::{fmt, sync::Arc, time::Duration};

use serde_json::Value;

use super::{
    http::Answer,
    spoil::{self, Sheet},
    token::Twist,
};

/// One way in which the answer to an exchange goes wrong.
///
/// What goes wrong before HTTP is a [`Tls`](super::Tls) or a closed port.
/// Where a fault changes a part of the answer, the rest is the genuine one, with a token that was
/// issued; a fault in the token leaves a refusal as it is.
#[derive(Clone)]
#[must_use = "a fault does nothing until a simulator is told of it"]
pub struct Fault {
    name: String,
    recipe: Recipe,
}

#[derive(Clone)]
enum Recipe {
    /// This answer in place of the genuine one; nothing is judged or issued.
    Instead(Answer),
    /// These steps in place of an answer; nothing is judged or issued.
    Steps(Vec<Step>),
    /// Another token is minted.
    Twisted(Twist),
    /// The genuine answer is changed.
    Changed(Arc<Change>),
    /// The genuine answer is sent wrongly.
    Sent(Arc<Play>),
}

type Change = dyn Fn(Answer) -> Answer + Send + Sync;
type Play = dyn Fn(&Sheet<'_>) -> Vec<Step> + Send + Sync;

/// What the server does with the connection, one step after another; then it closes it properly.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Writes all of it at once.
    Send(Vec<u8>),
    /// Writes it again and again: this many times, or until the client goes away.
    Repeat(Vec<u8>, Option<u64>),
    /// Writes one byte at a time.
    Drip(Vec<u8>, Duration),
    /// Says nothing until the client goes away.
    Hang,
    /// Closes the connection as it is.
    Cut,
    /// Resets the connection.
    Reset,
}

impl Step {
    /// Whether the client is kept waiting by this step.
    pub(super) fn lasts(&self) -> bool {
        match self {
            Self::Repeat(..) | Self::Drip(..) | Self::Hang => true,
            Self::Send(_) | Self::Cut | Self::Reset => false,
        }
    }
}

/// Whole answers in place of the genuine one.
impl Fault {
    /// This status with a small JSON error; 204 has no body.
    pub fn status(status: u16) -> Self {
        Self::instead(format!("status {status}"), told(status))
    }

    /// This status with a `Retry-After` header of this value.
    pub fn retry_after(status: u16, value: &str) -> Self {
        let answer = told(status).with_header("Retry-After", value);
        Self::instead(format!("status {status}, Retry-After {value}"), answer)
    }

    /// This 3xx status with this `Location`.
    pub fn redirect(status: u16, location: &str) -> Self {
        let answer = told(status).with_header("Location", location);
        Self::instead(format!("status {status} to {location}"), answer)
    }

    /// This status, these headers besides `Date`, `Connection` and `Content-Length`, and this body.
    pub fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let headers = headers
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        let answer = Answer {
            status,
            headers: headers.collect(),
            body: body.into(),
        };
        let length = answer.body.len();
        Self::instead(format!("status {status} of {length} bytes"), answer)
    }

    /// This status with a page of HTML, as of a proxy or a login form.
    pub fn html(status: u16) -> Self {
        let page = "<!doctype html><title>Sign in</title><p>Please sign in.";
        Self::instead(
            format!("status {status} of HTML"),
            Answer::new(status, "text/html", page),
        )
    }

    /// 200 with an empty body.
    pub fn empty() -> Self {
        Self::instead("an empty body", Answer::new(200, "application/json", ""))
    }

    /// 200 with 100 KiB that say they are gzip and unpack to 16 MiB.
    pub fn gzip_bomb() -> Self {
        Self::instead("a gzip bomb", spoil::gzip_bomb())
    }
}

/// Genuine answers with something wrong in the body.
impl Fault {
    /// The first half of the JSON, of the length it declares.
    pub fn truncated_json() -> Self {
        Self::body("truncated JSON", spoil::first_half)
    }

    /// The body as `text/plain`.
    pub fn wrong_content_type() -> Self {
        let change = |answer: Answer| Answer::new(answer.status, "text/plain", answer.body);
        Self::changed("wrong content type", change)
    }

    /// The body behind a UTF-8 byte order mark.
    pub fn byte_order_mark() -> Self {
        Self::body("a byte order mark", |body| [b"\xEF\xBB\xBF", body].concat())
    }

    /// The body in UTF-16, with its byte order mark.
    pub fn utf16() -> Self {
        Self::body("UTF-16", spoil::utf16)
    }

    /// `access_token` stands twice in the object, first with another value.
    pub fn duplicate_keys() -> Self {
        let decoy = r#""access_token":"marker-duplicate-of-the-token","#;
        Self::body("duplicate keys", |body| spoil::with_prefix(body, decoy))
    }

    /// A field beside the token is an array nested this deep.
    pub fn deep_nesting(depth: usize) -> Self {
        let prefix = format!(r#""deep":{}{},"#, "[".repeat(depth), "]".repeat(depth));
        let change = move |body: &[u8]| spoil::with_prefix(body, &prefix);
        Self::body(format!("nesting {depth} deep"), change)
    }

    /// The body is valid and padded to this many bytes; it is streamed, never held in memory.
    pub fn huge_body(bytes: u64) -> Self {
        let play = move |sheet: &Sheet<'_>| spoil::padded(sheet, bytes);
        Self::sent(format!("a body of {bytes} bytes"), play)
    }

    /// `access_token` is this.
    pub fn access_token(value: Value) -> Self {
        let name = format!("access_token {:.40}", value.to_string());
        let change = move |answer| spoil::with_field(answer, "access_token", Some(&value));
        Self::changed(name, change)
    }

    /// There is no `access_token`.
    pub fn no_access_token() -> Self {
        let change = |answer| spoil::with_field(answer, "access_token", None);
        Self::changed("no access_token", change)
    }

    /// `expires_in` is this.
    pub fn expires_in(value: Value) -> Self {
        let name = format!("expires_in {value}");
        let change = move |answer| spoil::with_field(answer, "expires_in", Some(&value));
        Self::changed(name, change)
    }

    /// There is no `expires_in`.
    pub fn no_expires_in() -> Self {
        let change = |answer| spoil::with_field(answer, "expires_in", None);
        Self::changed("no expires_in", change)
    }

    /// The token claims to be for the organization with this GUID.
    pub fn other_organization(organization_id: &str) -> Self {
        let organization = Some(organization_id.to_owned());
        let twist = Twist {
            organization,
            exp: None,
        };
        Self::new("a token for another organization", Recipe::Twisted(twist))
    }

    /// The JWT's `exp` is this.
    pub fn jwt_exp(exp: Value) -> Self {
        let name = format!("exp {exp}");
        let twist = Twist {
            organization: None,
            exp: Some(exp),
        };
        Self::new(name, Recipe::Twisted(twist))
    }
}

/// What the server asks of a fault.
impl Fault {
    /// What the fault is, in a few words.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the exchange is judged, and a token issued, although it goes wrong.
    pub(super) fn needs_answer(&self) -> bool {
        match self.recipe {
            Recipe::Instead(_) | Recipe::Steps(_) => false,
            Recipe::Twisted(_) | Recipe::Changed(_) | Recipe::Sent(_) => true,
        }
    }

    /// What changes in the token before it is minted.
    pub(super) fn twist(&self) -> Twist {
        match &self.recipe {
            Recipe::Twisted(twist) => twist.clone(),
            Recipe::Instead(_) | Recipe::Steps(_) | Recipe::Changed(_) | Recipe::Sent(_) => {
                Twist::default()
            }
        }
    }

    /// The status on the wire, if one is sent; `genuine` is the one of the answer it spoils.
    pub(super) fn wire_status(&self, genuine: Option<u16>) -> Option<u16> {
        match &self.recipe {
            Recipe::Instead(answer) => Some(answer.status),
            Recipe::Steps(_) => None,
            Recipe::Twisted(_) | Recipe::Changed(_) | Recipe::Sent(_) => genuine,
        }
    }

    /// What to do; `genuine` is there if [`Self::needs_answer`].
    pub(super) fn script(&self, genuine: Option<Answer>, date: Option<&str>) -> Vec<Step> {
        let genuine = genuine.unwrap_or_else(|| told(500));
        let whole = |answer: &Answer| vec![Step::Send(answer.bytes(date))];
        match &self.recipe {
            Recipe::Instead(answer) => whole(answer),
            Recipe::Steps(steps) => steps.clone(),
            Recipe::Twisted(_) => whole(&genuine),
            Recipe::Changed(change) => whole(&change(genuine)),
            Recipe::Sent(play) => play(&Sheet {
                answer: &genuine,
                date,
            }),
        }
    }

    fn new(name: impl Into<String>, recipe: Recipe) -> Self {
        let name = name.into();
        Self { name, recipe }
    }

    fn instead(name: impl Into<String>, answer: Answer) -> Self {
        Self::new(name, Recipe::Instead(answer))
    }

    pub(super) fn steps(name: impl Into<String>, steps: Vec<Step>) -> Self {
        Self::new(name, Recipe::Steps(steps))
    }

    fn changed(
        name: impl Into<String>,
        change: impl Fn(Answer) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, Recipe::Changed(Arc::new(change)))
    }

    fn body(
        name: impl Into<String>,
        change: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
    ) -> Self {
        Self::changed(name, move |mut answer| {
            answer.body = change(&answer.body);
            answer
        })
    }

    pub(super) fn sent(
        name: impl Into<String>,
        play: impl Fn(&Sheet<'_>) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, Recipe::Sent(Arc::new(play)))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fault({})", self.name)
    }
}

/// The answer that a person or test asked for by its status alone.
fn told(status: u16) -> Answer {
    Answer::error(status, "simulated", "the simulator was told to answer this")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_changed_field_leaves_the_rest_of_the_answer() {
        let answer = sent(&Fault::expires_in(json!(-1)));
        assert!(answer.ends_with(r#"{"access_token":"genuine","expires_in":-1}"#));
        let answer = sent(&Fault::access_token(Value::Null));
        assert!(answer.ends_with(r#"{"access_token":null,"expires_in":60}"#));
        assert!(sent(&Fault::no_access_token()).ends_with(r#"{"expires_in":60}"#));
        assert!(sent(&Fault::no_expires_in()).ends_with(r#"{"access_token":"genuine"}"#));
    }

    #[test]
    fn a_refusal_is_not_made_a_success() {
        let refusal = Answer::error(401, "invalid_grant", "no");
        let steps = Fault::access_token(json!("token")).script(Some(refusal.clone()), None);
        assert_eq!(steps, [Step::Send(refusal.bytes(None))]);
    }

    #[test]
    fn duplicates_and_depth_stand_in_the_genuine_object() {
        let answer = sent(&Fault::duplicate_keys());
        assert_eq!(answer.matches("access_token").count(), 2);
        let answer = sent(&Fault::deep_nesting(3));
        assert!(answer.contains(r#"{"deep":[[[]]],"access_token":"genuine""#));
    }

    #[test]
    fn a_length_can_lie_both_ways() {
        let truth = genuine().body.len();
        for (fault, length) in [
            (Fault::length_too_long(), truth + 10),
            (Fault::length_too_short(), truth - 10),
        ] {
            let answer = sent(&fault);
            assert!(
                answer.contains(&format!("Content-Length: {length}\r\n")),
                "{answer}"
            );
            assert!(answer.ends_with(r#""expires_in":60}"#), "{answer}");
        }
    }

    #[test]
    fn only_what_carries_a_genuine_answer_issues_a_token() {
        assert!(!Fault::status(500).needs_answer());
        assert!(!Fault::close_before_answer().needs_answer());
        assert!(Fault::close_mid_body().needs_answer());
        assert!(Fault::jwt_exp(json!(1)).needs_answer());
    }

    #[test]
    fn the_recorded_status_is_the_one_on_the_wire() {
        assert_eq!(Fault::status(503).wire_status(None), Some(503));
        assert_eq!(Fault::hang_before_headers().wire_status(None), None);
        assert_eq!(Fault::utf16().wire_status(Some(200)), Some(200));
    }

    fn genuine() -> Answer {
        Answer::json(200, &json!({ "access_token": "genuine", "expires_in": 60 }))
    }

    pub(super) fn sent(fault: &Fault) -> String {
        match fault.script(Some(genuine()), None).as_slice() {
            [Step::Send(bytes)] => String::from_utf8(bytes.clone()).unwrap(),
            steps => panic!("{steps:?}"),
        }
    }
}
