//! What the simulated server knows (credentials, organizations, issued tokens, the time) and what it
//! has seen: every exchange and every API call is recorded here.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use super::{
    fault::Fault,
    grant::{self, Credential, Endpoint, Form, Refusal},
    http::{self, Answer, Request},
    lock,
    plan::Asked,
    record::{ApiCall, Exchange},
    token::{self, IssuedToken, Occasion, Shape, Twist},
    wait_while,
};

/// The server's knowledge and memory.
pub(super) struct Ledger {
    state: Mutex<State>,
    changed: Condvar,
    started: Instant,
}

struct State {
    credentials: BTreeMap<String, Credential>,
    /// Names of organizations by GUID.
    names: BTreeMap<String, String>,
    shape: Shape,
    /// Seconds by which the server's clock is ahead of the system's.
    clock_offset: i64,
    dated: bool,
    issued: Vec<IssuedToken>,
    exchanges: Vec<Exchange>,
    api_calls: Vec<ApiCall>,
    /// Exchanges now and at most at once, by secret.
    loads: BTreeMap<String, Load>,
}

#[derive(Default)]
struct Load {
    now: usize,
    peak: usize,
}

impl Ledger {
    /// An empty ledger whose tokens live for `lifetime` seconds.
    pub(super) fn new(lifetime: i64) -> Self {
        Self {
            state: Mutex::new(State {
                credentials: BTreeMap::new(),
                names: BTreeMap::new(),
                shape: Shape::new(lifetime),
                clock_offset: 0,
                dated: true,
                issued: Vec::new(),
                exchanges: Vec::new(),
                api_calls: Vec::new(),
                loads: BTreeMap::new(),
            }),
            changed: Condvar::new(),
            started: stopwatch(),
        }
    }

    pub(super) fn add(&self, secret: &str, credential: Credential) {
        self.state()
            .credentials
            .insert(secret.to_owned(), credential);
    }

    /// Changes a credential that was added.
    pub(super) fn amend(&self, secret: &str, change: impl FnOnce(&mut Credential)) {
        let mut state = self.state();
        let known = state.credentials.get_mut(secret);
        change(known.expect("only credentials that were added are changed"));
    }

    pub(super) fn name_organization(&self, organization_id: &str, name: &str) {
        let names = &mut self.state().names;
        names.insert(organization_id.to_owned(), name.to_owned());
    }

    pub(super) fn shape(&self, change: impl FnOnce(&mut Shape)) {
        change(&mut self.state().shape);
    }

    pub(super) fn set_clock_offset(&self, seconds: i64) {
        self.state().clock_offset = seconds;
    }

    pub(super) fn set_dated(&self, dated: bool) {
        self.state().dated = dated;
    }

    /// The server's clock: Unix seconds.
    pub(super) fn now(&self) -> i64 {
        self.state().now()
    }

    /// The `Date` header, unless it is omitted.
    pub(super) fn date(&self) -> Option<String> {
        let state = self.state();
        let seconds = u64::try_from(state.now()).unwrap_or(0);
        state
            .dated
            .then(|| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds)))
    }

    /// Which credential and organization a form speaks of, before it is judged.
    pub(super) fn asked(&self, endpoint: Endpoint, form: &Form) -> Asked {
        let state = self.state();
        let organization = grant::decide(endpoint, form, &state.credentials).ok();
        Asked {
            secret: endpoint.secret(form).map(str::to_owned),
            organization,
        }
    }

    /// Judges and records an exchange; the answer is missing where the fault needs none.
    pub(super) fn exchange(
        &self,
        endpoint: Endpoint,
        request: &Request,
        fault: Option<&Fault>,
    ) -> (Exchange, Option<Answer>) {
        let mut state = self.state();
        let form = decoded_form(request);
        let judged = fault.is_none_or(Fault::needs_answer);
        let twist = fault.map_or_else(Twist::default, Fault::twist);
        let (answer, token) = match (judged, &form) {
            (false, _) => (None, None),
            (true, Err(refusal)) => (Some(refusal_answer(refusal)), None),
            (true, Ok(form)) => state.judge(endpoint, form, &twist),
        };
        let status = answer.as_ref().map(|answer| answer.status);
        let form = form.unwrap_or_default();
        let secret = endpoint.secret(&form).unwrap_or_default();
        let exchange = Exchange {
            number: state.exchanges.len() + 1,
            path: request.path().to_owned(),
            raw_body: String::from_utf8_lossy(&request.body).into_owned(),
            headers: request.headers.clone(),
            credential: state.label_of(secret),
            status: fault.map_or(status, |fault| fault.wire_status(status)),
            token,
            answered: false,
            after: self.started.elapsed(),
            form: form.clone(),
        };
        state.begin(secret);
        state.exchanges.push(exchange.clone());
        self.changed.notify_all();
        (exchange, answer)
    }

    /// Notes that an exchange has been answered, in whatever way.
    pub(super) fn answered(&self, endpoint: Endpoint, exchange: &Exchange) {
        let mut state = self.state();
        if let Some(recorded) = state.exchanges.get_mut(exchange.number - 1) {
            recorded.answered = true;
        }
        state.end(endpoint.secret(&exchange.form).unwrap_or_default());
        self.changed.notify_all();
    }

    /// Answers and records a request that is no exchange.
    pub(super) fn api_call(&self, request: &Request) -> (ApiCall, Answer) {
        let mut state = self.state();
        let token = request
            .headers
            .get("authorization")
            .and_then(|value| value.strip_prefix("Bearer "))
            .and_then(|bearer| state.issued.iter().find(|issued| issued.token == bearer));
        let alive = token.filter(|token| !token.revoked && state.now() < token.expires_at);
        let answer = state.api_answer(request, alive);
        let call = ApiCall {
            method: request.method.clone(),
            target: request.target.clone(),
            headers: request.headers.clone(),
            body: String::from_utf8_lossy(&request.body).into_owned(),
            status: answer.status,
            token: token.map(|token| token.number),
        };
        state.api_calls.push(call.clone());
        (call, answer)
    }

    /// Makes the API refuse a token; false if this simulator did not issue it.
    pub(super) fn revoke_token(&self, token: &str) -> bool {
        let mut state = self.state();
        let known = state.issued.iter_mut().find(|issued| issued.token == token);
        known.map(|issued| issued.revoked = true).is_some()
    }

    pub(super) fn exchanges(&self) -> Vec<Exchange> {
        self.state().exchanges.clone()
    }

    pub(super) fn exchange_count(&self, which: impl Fn(&Exchange) -> bool) -> usize {
        let state = self.state();
        state.exchanges.iter().filter(|&one| which(one)).count()
    }

    pub(super) fn api_calls(&self) -> Vec<ApiCall> {
        self.state().api_calls.clone()
    }

    pub(super) fn issued(&self) -> Vec<IssuedToken> {
        self.state().issued.clone()
    }

    /// The most exchanges with one secret that were open at the same time.
    pub(super) fn peak(&self, secret: &str) -> usize {
        self.state().loads.get(secret).map_or(0, |load| load.peak)
    }

    /// Waits until `n` exchanges have come that satisfy `which`; false when the time is over first.
    pub(super) fn wait_for(
        &self,
        n: usize,
        deadline: Duration,
        which: impl Fn(&Exchange) -> bool,
    ) -> bool {
        let lacking =
            |state: &mut State| state.exchanges.iter().filter(|&one| which(one)).count() < n;
        wait_while(&self.changed, self.state(), deadline, lacking)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn now(&self) -> i64 {
        system_seconds().saturating_add(self.clock_offset)
    }

    fn judge(
        &mut self,
        endpoint: Endpoint,
        form: &Form,
        twist: &Twist,
    ) -> (Option<Answer>, Option<String>) {
        let organization_id = match grant::decide(endpoint, form, &self.credentials) {
            Ok(organization_id) => organization_id,
            Err(refusal) => return (Some(refusal_answer(&refusal)), None),
        };
        let occasion = Occasion {
            organization_id: &organization_id,
            label: &self.organization_label(&organization_id),
            number: self.issued.len() + 1,
            now: self.now(),
        };
        let issued = token::mint(&self.shape, twist, &occasion);
        let body = token::answer(&self.shape, &issued.token);
        let token = issued.token.clone();
        self.issued.push(issued);
        (Some(Answer::json(200, &body)), Some(token))
    }

    /// The name of an organization, or the first 8 characters of its GUID.
    fn organization_label(&self, organization_id: &str) -> String {
        let short = || organization_id.chars().take(8).collect();
        self.names
            .get(organization_id)
            .cloned()
            .unwrap_or_else(short)
    }

    fn label_of(&self, secret: &str) -> Option<String> {
        let credential = self.credentials.get(secret)?;
        let label = credential.label.clone();
        Some(label.unwrap_or_else(|| self.organization_label(&credential.home)))
    }

    fn begin(&mut self, secret: &str) {
        let load = self.loads.entry(secret.to_owned()).or_default();
        load.now += 1;
        load.peak = load.peak.max(load.now);
    }

    fn end(&mut self, secret: &str) {
        if let Some(load) = self.loads.get_mut(secret) {
            load.now = load.now.saturating_sub(1);
        }
    }

    /// What the API and the realm's userinfo endpoint say.
    fn api_answer(&self, request: &Request, token: Option<&IssuedToken>) -> Answer {
        let known = [
            "/distribution/v2/profiles",
            "/build/v2/profiles",
            "/identity/v1/organizations",
            "/auth/realms/appcircle/protocol/openid-connect/userinfo",
        ];
        let path = request.path();
        if request.method != "GET" || !known.contains(&path) {
            return Answer::error(404, "not_found", "the simulator has nothing here");
        }
        let Some(token) = token else {
            let why = "the token is missing, unknown, expired or revoked";
            return Answer::error(401, "invalid_token", why)
                .with_header("WWW-Authenticate", "Bearer");
        };
        let id = &*token.organization_id;
        let name = self.organization_label(id);
        let body = match path {
            "/identity/v1/organizations" => organizations(id, &name),
            "/auth/realms/appcircle/protocol/openid-connect/userinfo" => json!({
                "sub": "simulated", "email": format!("person@{name}.example"),
                "currentOrganizationId": id,
            }),
            _ => json!([{ "id": "simulated", "name": "Simulated", "organizationId": id }]),
        };
        Answer::json(200, &body)
    }
}

/// The page of organizations in the shape that the official CLI reads.
fn organizations(id: &str, name: &str) -> Value {
    let organization = json!({
        "id": id, "name": name, "givenId": name, "ssoEnabled": false, "disabled": false,
        "rootOrganizationId": null, "rootOrganizationName": null,
        "createdDate": "2024-01-01T00:00:00Z",
    });
    json!({ "data": [organization], "page": 1, "perPage": 25, "total": 1 })
}

fn refusal_answer(refusal: &Refusal) -> Answer {
    Answer::error(refusal.status, refusal.error, &refusal.description)
}

fn decoded_form(request: &Request) -> Result<Form, Refusal> {
    if !request.is_form() {
        return Err(Refusal::bad("the body must be a form"));
    }
    http::decode_form(&request.body).map_err(Refusal::bad)
}

/// The system's clock: Unix seconds.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulated server has a wall clock of its own, as a real one has"
)]
fn system_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// A clock for the distances between exchanges.
#[expect(
    clippy::disallowed_methods,
    reason = "distances between exchanges are measured on a clock that never steps"
)]
fn stopwatch() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_follows_the_servers_clock() {
        let ledger = Ledger::new(60);
        ledger.set_clock_offset(-ledger.now());
        assert!(
            ledger
                .date()
                .unwrap()
                .starts_with("Thu, 01 Jan 1970 00:00:0")
        );
        ledger.set_clock_offset(i64::MIN);
        assert_eq!(ledger.date().unwrap(), "Thu, 01 Jan 1970 00:00:00 GMT");
        ledger.set_dated(false);
        assert_eq!(ledger.date(), None);
    }

    #[test]
    fn exchanges_that_overlap_are_counted_at_their_peak() {
        let ledger = Ledger::new(60);
        let first = exchange(&ledger);
        let second = exchange(&ledger);
        ledger.answered(Endpoint::V3, &first);
        let third = exchange(&ledger);
        ledger.answered(Endpoint::V3, &second);
        ledger.answered(Endpoint::V3, &third);
        assert_eq!(ledger.peak("key"), 2);
        assert_eq!(ledger.peak("other"), 0);
    }

    #[test]
    fn waiting_ends_with_the_last_exchange_or_the_deadline() {
        let ledger = Ledger::new(60);
        exchange(&ledger);
        assert!(ledger.wait_for(1, Duration::ZERO, |_| true));
        assert!(!ledger.wait_for(2, Duration::ZERO, |_| true));
        assert!(!ledger.wait_for(1, Duration::ZERO, |exchange| exchange.answered));
    }

    #[test]
    fn a_fault_without_an_answer_issues_nothing() {
        let ledger = Ledger::new(60);
        let request = request();
        let (exchange, answer) =
            ledger.exchange(Endpoint::V3, &request, Some(&Fault::hang_before_headers()));
        assert!(answer.is_none());
        assert_eq!(exchange.status, None);
        assert!(ledger.issued().is_empty());
    }

    fn exchange(ledger: &Ledger) -> Exchange {
        ledger.exchange(Endpoint::V3, &request(), None).0
    }

    fn request() -> Request {
        let kind = "application/x-www-form-urlencoded".to_owned();
        Request {
            method: "POST".to_owned(),
            target: "/auth/v3/token".to_owned(),
            headers: BTreeMap::from([("content-type".to_owned(), kind)]),
            body: b"personalAccessKey=key".to_vec(),
        }
    }
}
