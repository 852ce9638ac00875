//! The little that the bridge knows of a JSON-RPC message, and the few messages it writes itself.

use ac_cred_proto::text::visible;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::trouble::Trouble;

/// The most bytes of a message in either direction.
pub const MAX_MESSAGE: usize = 8 * 1_024 * 1_024;

/// The version of the protocol that the bridge speaks by itself where the client names none.
const LATEST_PROTOCOL: &str = "2025-11-25";

/// The longest name of a version of the protocol.
const LONGEST_PROTOCOL: usize = 32;

/// The kinds of things of which a server can have a list, each with the word that announces a
/// change of it.
const LISTS: [(&str, &str); 3] = [
    ("tools", "notifications/tools/list_changed"),
    ("prompts", "notifications/prompts/list_changed"),
    ("resources", "notifications/resources/list_changed"),
];

/// What a text from the client is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// The request that begins a session.
    Initialize(Value),
    /// Any other request, or a batch with requests: their ids.
    Requests(Vec<Value>),
    /// A ping, which the bridge can answer as well.
    Ping(Value),
    /// The word that the client is ready.
    Initialized,
    /// The word that a request is not waited for any more.
    Cancelled(Value),
    /// Any other notification, an answer, or a batch of these.
    Other,
}

/// What stands around the content of a message.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default, deserialize_with = "is_there")]
    result: bool,
    #[serde(default, deserialize_with = "is_there")]
    error: bool,
}

/// One message, or several in a batch.
enum Envelopes {
    One(Envelope),
    Many(Vec<Envelope>),
}

/// Takes a field of any value, `null` as well.
fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// A message of which something inside is looked at.
#[derive(Deserialize)]
struct Opened<T> {
    params: T,
}

#[derive(Deserialize)]
struct CancelledParams {
    #[serde(rename = "requestId")]
    request_id: Value,
}

#[derive(Deserialize)]
struct InitializeParams {
    #[serde(rename = "protocolVersion")]
    protocol_version: String,
}

#[derive(Deserialize)]
struct MetaParams {
    #[serde(rename = "_meta")]
    meta: Meta,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    protocol_version: String,
}

/// What a server says of itself when a session begins.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Introduction {
    /// The version of the protocol that it chose.
    #[serde(rename = "protocolVersion", default)]
    protocol_version: Option<String>,
    /// What it can do.
    #[serde(default)]
    capabilities: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct Initialized {
    result: Introduction,
}

impl Envelopes {
    /// The messages in a text; `None` where there is none, or something else.
    fn read(text: &str) -> Option<Self> {
        let read = if text.trim_start().starts_with('[') {
            let many: Vec<Envelope> = serde_json::from_str(text).ok()?;
            Self::Many(many)
        } else {
            Self::One(serde_json::from_str(text).ok()?)
        };
        let is_good = match &read {
            Self::One(one) => one.is_message(),
            Self::Many(many) => !many.is_empty() && many.iter().all(Envelope::is_message),
        };
        is_good.then_some(read)
    }
}

impl Envelope {
    fn is_request(&self) -> bool {
        self.method.is_some() && self.id.is_some()
    }

    fn is_answer(&self) -> bool {
        self.method.is_none() && (self.result || self.error)
    }

    fn is_message(&self) -> bool {
        self.method.is_some() || self.is_answer()
    }
}

/// What a client's text is; `None` when it is no message.
#[must_use]
pub fn kind(text: &str) -> Option<Kind> {
    let one = match Envelopes::read(text)? {
        Envelopes::One(one) => one,
        Envelopes::Many(many) => {
            let requests = many.into_iter().filter(Envelope::is_request);
            let ids: Vec<_> = requests.filter_map(|request| request.id).collect();
            return Some(if ids.is_empty() {
                Kind::Other
            } else {
                Kind::Requests(ids)
            });
        }
    };
    Some(match (one.method.as_deref(), one.id) {
        (Some("initialize"), Some(id)) => Kind::Initialize(id),
        (Some("ping"), Some(id)) => Kind::Ping(id),
        (Some(_), Some(id)) => Kind::Requests(vec![id]),
        (Some("notifications/initialized"), None) => Kind::Initialized,
        (Some("notifications/cancelled"), None) => {
            let opened = serde_json::from_str::<Opened<CancelledParams>>(text);
            opened.map_or(Kind::Other, |opened| {
                Kind::Cancelled(opened.params.request_id)
            })
        }
        (Some(_) | None, _) => Kind::Other,
    })
}

/// The ids that a server's text answers; `None` when it is no message.
#[must_use]
pub fn answered(text: &str) -> Option<Vec<Value>> {
    let envelopes = match Envelopes::read(text)? {
        Envelopes::One(one) => vec![one],
        Envelopes::Many(many) => many,
    };
    let answers = envelopes.into_iter().filter(Envelope::is_answer);
    Some(answers.filter_map(|answer| answer.id).collect())
}

/// The version of the protocol that a message names for itself, as clients without sessions do.
#[must_use]
pub fn own_protocol(text: &str) -> Option<String> {
    let opened = serde_json::from_str::<Opened<MetaParams>>(text).ok()?;
    Some(opened.params.meta.protocol_version).filter(|version| is_protocol(version))
}

/// Whether a text can be a version of the protocol, and so stand in a header.
fn is_protocol(version: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    !version.is_empty() && version.len() <= LONGEST_PROTOCOL && version.bytes().all(is_plain)
}

impl Introduction {
    /// What a server says in its answer to `initialize`; `None` when it refuses.
    #[must_use]
    pub fn read(answer: &str) -> Option<Self> {
        let read = serde_json::from_str::<Initialized>(answer).ok()?;
        Some(read.result)
    }

    /// What the bridge says of a server that it has not met: that it may have anything, and will
    /// say when its lists change.
    fn unmet() -> Self {
        let lists = LISTS.iter().map(|&(list, _)| {
            let announces = json!({ "listChanged": true });
            (list.to_owned(), announces)
        });
        Self {
            protocol_version: None,
            capabilities: lists.collect(),
        }
    }

    /// The version of the protocol that was chosen, where it can stand in a header.
    #[must_use]
    pub fn protocol(&self) -> Option<String> {
        let version = self.protocol_version.clone();
        version.filter(|version| is_protocol(version))
    }

    /// The words that tell a client which was told this that every list may have changed.
    #[must_use]
    pub fn changes(&self) -> Vec<String> {
        let announces = |list: &str| {
            let capability = self.capabilities.get(list);
            capability.and_then(|told| told.get("listChanged")) == Some(&Value::Bool(true))
        };
        let changed = LISTS.iter().filter(|(list, _)| announces(list));
        changed.map(|&(_, word)| notification(word)).collect()
    }
}

/// The bridge's own answer to `initialize` while there is no session: the client stays, and is told
/// why in the instructions. Comes with what the client has thereby been told.
#[must_use]
pub fn stand_in(initialize: &str, id: &Value, why: &str) -> (String, Introduction) {
    let asked = serde_json::from_str::<Opened<InitializeParams>>(initialize);
    let asked = asked.map(|opened| opened.params.protocol_version);
    let asked = asked.ok().filter(|version| is_protocol(version));
    let told = Introduction::unmet();
    let answer = json!({
        "jsonrpc": "2.0",
        "id": id,
        "result": {
            "protocolVersion": asked.as_deref().unwrap_or(LATEST_PROTOCOL),
            "capabilities": told.capabilities,
            "serverInfo": { "name": "ac-cred", "version": env!("CARGO_PKG_VERSION") },
            "instructions": why,
        },
    });
    (answer.to_string(), told)
}

/// The answer to a ping.
#[must_use]
pub fn pong(id: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "result": {} }).to_string()
}

/// The word that a client is ready.
#[must_use]
pub fn initialized() -> String {
    notification("notifications/initialized")
}

fn notification(method: &str) -> String {
    json!({ "jsonrpc": "2.0", "method": method }).to_string()
}

/// The answer to a request that could not be served.
#[must_use]
pub fn error(id: &Value, trouble: &Trouble) -> String {
    let (code, data) = match trouble {
        Trouble::Denied(denial) => (
            -32_001,
            json!({
                "error": denial.error,
                "hint": denial.hint,
                "retry_after": denial.retry_after,
            }),
        ),
        Trouble::Server(_) | Trouble::Broken(_) | Trouble::Lost => (-32_002, Value::Null),
        Trouble::NoMessage(_) => (-32_700, Value::Null),
    };
    let mut error = json!({ "code": code, "message": trouble.to_string() });
    if let Some(error) = error.as_object_mut().filter(|_| !data.is_null()) {
        error.insert("data".to_owned(), data);
    }
    json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string()
}

/// What a server says went wrong, from a body that came with a failure.
#[must_use]
pub fn told_error(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        error: Reason,
    }
    #[derive(Deserialize)]
    struct Reason {
        message: String,
    }
    let told = serde_json::from_str::<Told>(body).ok()?;
    Some(visible(&told.error.message)).filter(|told| !told.is_empty())
}

/// A message on one line. Line ends in JSON stand between its parts only, where a space does as well.
#[must_use]
pub fn one_line(message: String) -> String {
    if message.contains(['\n', '\r']) {
        message.replace(['\n', '\r'], " ")
    } else {
        message
    }
}
