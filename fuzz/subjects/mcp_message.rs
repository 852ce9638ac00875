//! A JSON-RPC message on its way through the MCP bridge, from either side: it stays one, what is told
//! of it steers nothing, and the token in it is not shown.

use ac_cred_mcp::mask::Mask;
use ac_cred_mcp::message::{self, Introduction, Kind};
use ac_cred_mcp::trouble::Trouble;
use ac_cred_proto::secret::SessionToken;
use ac_cred_proto::text::visible;
use serde_json::Value;

/// The token that was sent; the seeds have it, also with escapes.
const TOKEN: &str = "eyJ.a/b";

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    from_the_client(text);
    from_the_server(text);
}

fn from_the_client(text: &str) {
    if let Some(version) = message::own_protocol(text) {
        assert!(is_header(&version));
    }
    let ids = match message::kind(text) {
        Some(Kind::Initialize(id)) => {
            let (answer, told) = message::stand_in(text, &id, "log in");
            assert_eq!(message::answered(&answer), Some(vec![id.clone()]));
            assert_eq!(told.changes().len(), 3);
            vec![id]
        }
        Some(Kind::Requests(ids)) => ids,
        Some(Kind::Ping(id)) => vec![id],
        Some(Kind::Initialized | Kind::Cancelled(_) | Kind::Other) => Vec::new(),
        None => {
            assert_eq!(message::answered(text), None);
            return;
        }
    };
    for id in ids {
        let refusal = message::error(&id, &Trouble::Lost);
        assert_eq!(message::answered(&refusal), Some(vec![id]));
    }
}

fn from_the_server(text: &str) {
    let mask = Mask::default();
    mask.remember(&SessionToken::parse(TOKEN).expect("it is a token"));
    let parsed: Option<Value> = serde_json::from_str(text).ok();
    let line = message::one_line(text.to_owned());
    assert!(!line.contains(['\n', '\r']));
    if parsed.is_some() {
        assert_eq!(serde_json::from_str(&line).ok(), parsed);
    }
    let answered = message::answered(&line);
    let Some(shown) = mask.message(line) else {
        return;
    };
    assert!(!shown.contains(TOKEN), "the token is shown");
    // What is none, as its id stands twice, is refused before it is looked at for tokens.
    assert!(answered.is_none() || message::answered(&shown).is_some());
    if let Ok(value) = serde_json::from_str::<Value>(&shown) {
        assert!(!value.to_string().contains(TOKEN), "the token is shown");
    }
    if let Some(told) = message::told_error(&shown) {
        assert_eq!(visible(&told), told);
        assert!(!told.contains(TOKEN), "the token is told");
    }
    if let Some(version) = Introduction::read(&shown).and_then(|said| said.protocol()) {
        assert!(is_header(&version));
    }
}

fn is_header(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}
