//! Bytes as a sequence of steps: small alphabets, so that most sequences mean something.

use std::time::Duration;

use ac_cred_proto::Request;
use ac_cred_proto::frame::Encoding;
use ac_cred_proto::message::{Get, Reject, SaidSettings};
use ac_cred_proto::settings::Store;
use serde_json::{Map, Value, json};

use super::rig::{CREDENTIALS, ORGANIZATIONS, Plan};

/// The longest that a caller waits here.
const LONGEST_WAIT_MS: u32 = 60_000;

/// Lives of tokens, in seconds.
const LIVES: [u32; 8] = [0, 1, 31, 60, 600, 3_600, 7_200, 1_000_000];

/// Lengths of time, in milliseconds.
const SPANS: [u64; 8] = [0, 1, 500, 1_000, 8_000, 30_000, 900_000, 3_600_000];

/// Bodies that are no answer to an exchange.
const BODIES: [&str; 6] = [
    "",
    "{}",
    "<html>",
    r#"{"access_token":"canary"#,
    r#"{"access_token":null}"#,
    r#"{"access_token":"opaque-token-of-nobody"}"#,
];

/// One step of a sequence.
pub(crate) enum Step {
    Call(Request),
    /// What the next exchange meets.
    Plan(Plan),
    /// Time passes, timer by timer.
    Pass(Duration),
    /// The machine is suspended.
    Sleep(Duration),
    /// The wall clock of this machine is stepped by so many seconds.
    SetWall(i64),
    /// One of those who wait leaves.
    Leave,
    /// All that can be answered now is answered.
    Settle,
}

/// The bytes that have not been read.
pub(crate) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte; nothing but zeros follows the last one.
    pub(crate) fn byte(&mut self) -> u8 {
        self.0.split_off_first().copied().unwrap_or(0)
    }

    pub(crate) fn step(&mut self) -> Option<Step> {
        let step = self.0.split_off_first()? % 32;
        Some(match step {
            0..8 => Step::Call(self.get()),
            8..11 => Step::Call(self.login()),
            11 => Step::Call(self.logout()),
            12 => Step::Call(self.rename()),
            13 => Step::Call(request("use", &[("organization", self.org())])),
            14 | 15 => Step::Call(self.reject()),
            16 => Step::Call(request("list", &[])),
            17 => Step::Call(request("status", &[("organization", self.perhaps_org())])),
            18 => Step::Call(request("lock", &[("forget_memory", self.chance(2))])),
            19 => Step::Call(request("unlock", &[])),
            20..24 => Step::Plan(self.exchange()),
            24 | 25 => Step::Pass(self.span()),
            26 => Step::Sleep(self.span()),
            27 => Step::SetWall((i64::from(self.byte()) - 128) * 600),
            28 => Step::Leave,
            29 => self.raw().map_or(Step::Settle, Step::Call),
            _ => Step::Settle,
        })
    }

    fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[usize::from(self.byte()) % among.len()]
    }

    /// True once in so many times.
    fn chance(&mut self, times: u8) -> Value {
        self.byte().is_multiple_of(times).into()
    }

    fn org(&mut self) -> Value {
        self.pick(&ORGANIZATIONS).into()
    }

    fn perhaps_org(&mut self) -> Value {
        if self.chance(4) == true {
            return Value::Null;
        }
        self.org()
    }

    fn span(&mut self) -> Duration {
        Duration::from_millis(self.pick(&SPANS))
    }

    fn wait(&mut self) -> Value {
        self.pick(&[0, 1, 1_000, 8_000, LONGEST_WAIT_MS]).into()
    }

    fn get(&mut self) -> Request {
        let how = self.byte();
        let organization = self.perhaps_org();
        let min_ttl = (how & 4 != 0).then(|| self.pick(&LIVES));
        let fields = [
            ("organization", organization),
            ("min_ttl", min_ttl.into()),
            ("refresh", how.is_multiple_of(4).into()),
            ("wait_ms", self.wait()),
        ];
        request("get", &fields)
    }

    fn login(&mut self) -> Request {
        let how = self.byte();
        let credential = self.pick(&CREDENTIALS);
        let organization = self.org();
        let elsewhere = (how & 8 != 0).then_some("https://auth.elsewhere.example");
        let settings = json!({
            "store": "memory",
            "auth_url": elsewhere,
            "allow_http": (how & 16 != 0).then_some(true),
        });
        let fields = [
            ("organization", organization),
            ("credential", (how & 7 != 0).then_some(credential).into()),
            (
                "from",
                if how & 7 == 1 {
                    self.org()
                } else {
                    Value::Null
                },
            ),
            ("settings", settings),
            ("make_default", (how & 32 != 0).into()),
            ("wait_ms", self.wait()),
        ];
        request("login", &fields)
    }

    fn logout(&mut self) -> Request {
        let all = self.chance(2);
        let organization = if all == true {
            Value::Null
        } else {
            self.perhaps_org()
        };
        request("logout", &[("organization", organization), ("all", all)])
    }

    fn rename(&mut self) -> Request {
        let (old, new) = (self.org(), self.org());
        request("rename", &[("old", old), ("new", new)])
    }

    fn reject(&mut self) -> Request {
        let is_other = self.byte().is_multiple_of(2);
        let fields = [
            ("token", is_other.then_some("eyJ9.e30.other").into()),
            ("organization", self.perhaps_org()),
            ("wait_ms", self.wait()),
        ];
        request("reject", &fields)
    }

    fn exchange(&mut self) -> Plan {
        let how = self.byte();
        let life = self.pick(&LIVES);
        let delay = Duration::from_millis(self.pick(&[0, 0, 0, 1, 2_000, 29_000]));
        let (status, body) = match how % 8 {
            0..3 => (200, None),
            3 => (self.pick(&[400, 401, 403]), Some(r#"{"error":"no"}"#)),
            4 => (429, Some("")),
            5 => (
                self.pick(&[204, 301, 404, 500, 503]),
                Some(self.pick(&BODIES)),
            ),
            6 => (200, Some(self.pick(&BODIES))),
            _ => (0, None),
        };
        Plan {
            delay,
            status,
            body: body.map(str::to_owned),
            life,
            is_foreign: how & 128 != 0,
            echoes: how & 64 != 0,
            retry_after: (how & 32 != 0).then(|| self.pick(&LIVES).to_string()),
        }
    }

    /// A line of JSON as a script would send it, bent to what may be asked here.
    fn raw(&mut self) -> Option<Request> {
        let length = usize::from(self.byte()).min(self.0.len());
        let line = self.0.split_off(..length)?;
        let mut request = Encoding::Json.decode(line).ok()?;
        if let Request::Get(Get { wait_ms, .. }) | Request::Reject(Reject { wait_ms, .. }) =
            &mut request
        {
            *wait_ms = LONGEST_WAIT_MS.min(*wait_ms);
        }
        if let Request::Login(login) = &mut request {
            login.wait_ms = LONGEST_WAIT_MS.min(login.wait_ms);
            // No file of this machine is read or written, and no program of it is run.
            login.settings = SaidSettings {
                store: Some(Store::Memory),
                kind: login.settings.kind,
                name: login.settings.name.take(),
                organization_id: login.settings.organization_id.take(),
                ..SaidSettings::default()
            };
        }
        // What else may be asked works on files, or ends the daemon.
        matches!(
            request,
            Request::Get(_)
                | Request::Reject(_)
                | Request::Login(_)
                | Request::Logout(_)
                | Request::Rename(_)
                | Request::Use(_)
                | Request::List(_)
                | Request::Status(_)
        )
        .then_some(request)
    }
}

/// A request with these fields; the others are as where they are not said.
fn request(name: &str, fields: &[(&str, Value)]) -> Request {
    let fields: Map<String, Value> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let line = json!({ name: fields }).to_string();
    let request = Encoding::Json.decode(line.as_bytes());
    request.expect("what is asked here is a request")
}
