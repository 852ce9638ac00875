//! What the ledger keeps of a request, and how it tells of it without secrets.

use std::{collections::BTreeMap, time::Duration};

use super::fault::Fault;

/// One exchange, recorded when its request had come whole and before it was answered.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Counts from 1 across the simulator.
    pub number: usize,
    /// Such as `/auth/v3/token`.
    pub path: String,
    /// The decoded form; empty if it could not be decoded.
    pub form: BTreeMap<String, String>,
    /// The body as it came.
    pub raw_body: String,
    /// Names in lower case; repeated headers joined by a comma.
    pub headers: BTreeMap<String, String>,
    /// The label of the credential, if it is known to the server.
    pub credential: Option<String>,
    /// The status that the answer has; none where a fault answers without one.
    pub status: Option<u16>,
    /// The session token that was issued, even if a fault keeps it from arriving.
    pub token: Option<String>,
    /// Whether the whole answer, or the fault in its place, has been sent.
    pub answered: bool,
    /// When it came, on a clock that never steps: time since the simulator started.
    pub after: Duration,
}

/// One request that is no exchange: a call of the API, or a stray.
#[derive(Clone, Debug)]
pub struct ApiCall {
    /// Such as `GET`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case; repeated headers joined by a comma.
    pub headers: BTreeMap<String, String>,
    /// The body as it came.
    pub body: String,
    /// The status of the answer.
    pub status: u16,
    /// The number of the session token it carried, if this simulator issued that.
    pub token: Option<usize>,
}

impl Exchange {
    /// The exchange in a line without a secret in it.
    pub(super) fn line(&self, fault: Option<&Fault>) -> String {
        let credential = self.credential.as_deref().unwrap_or("unknown credential");
        let marker = self
            .token
            .as_deref()
            .and_then(|token| token.rsplit("marker-").next());
        let outcome = match (self.status, marker) {
            (Some(status), Some(marker)) => format!("{status}, token {marker}"),
            (Some(status), None) => status.to_string(),
            (None, _) => "no answer".to_owned(),
        };
        let fault = fault.map_or_else(String::new, |fault| format!(" [{}]", fault.name()));
        let Self { number, path, .. } = self;
        format!("exchange {number}: POST {path} by {credential} -> {outcome}{fault}")
    }
}

impl ApiCall {
    /// The call in a line without a token in it.
    pub(super) fn line(&self) -> String {
        let token = self.token.map_or_else(
            || "no token of this simulator".to_owned(),
            |number| format!("token {number}"),
        );
        let path = self.target.split('?').next().unwrap_or_default();
        let path: String = path.escape_default().take(120).collect();
        format!(
            "call: {} {path} with {token} -> {}",
            self.method, self.status
        )
    }
}
