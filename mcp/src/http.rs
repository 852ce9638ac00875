//! Requests to an MCP server over HTTPS; the only file of the bridge that names reqwest.
//!
//! No redirect is followed, no environment variable is asked, and no body is read further than
//! [`MAX_MESSAGE`] at once.

use std::fs::File;
use std::io::Read as _;
use std::time::Duration;

use ac_cred_proto::secret::SessionToken;
use ac_cred_proto::text::visible;
use ac_cred_proto::{Denial, ErrorCode};
use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder};

use crate::event_stream::{Decoder, Event, Malformed};
use crate::message::MAX_MESSAGE;
use crate::route::Route;
use crate::trouble::Trouble;

/// How long a connection may take to be made, TLS included.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// How long a server may say nothing on a connection; a tool may take long, and a cancelled request
/// does not wait for this.
const SILENCE: Duration = Duration::from_mins(15);

/// After how long the system asks whether the other end of a silent connection is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// How long an unused connection is kept; servers close theirs after five seconds at the earliest,
/// and a message that meets a closed connection would be lost.
const IDLE: Duration = Duration::from_secs(4);

/// The most bytes of a file with certificate authorities.
const MAX_CA_FILE: u64 = 1_024 * 1_024;

/// The most bytes that are read of what a server says of a failure.
const MAX_REASON: usize = 64 * 1_024;

/// The longest id of a session.
const LONGEST_SESSION: usize = 1_024;

const SESSION: &str = "mcp-session-id";
const PROTOCOL: &str = "mcp-protocol-version";
const LAST_EVENT: &str = "last-event-id";

/// What a request says besides its message and its token, and to whom alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The server that keeps the session.
    pub server: Option<Route>,
    /// The session.
    pub session: Option<String>,
    /// The version of the protocol.
    pub protocol: Option<String>,
}

/// What a server answers.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The session that it names.
    pub session: Option<String>,
    /// What follows.
    pub body: Body,
}

/// What follows an answer's head.
#[derive(Debug)]
pub enum Body {
    /// One message, which is not read yet.
    Json(Rest),
    /// A stream of events.
    Events(Box<Events>),
    /// Nothing that would be read.
    Other,
}

/// A body that is not read yet.
#[derive(Debug)]
pub struct Rest {
    response: reqwest::Response,
    host: String,
}

/// A stream of events.
#[derive(Debug)]
pub struct Events {
    rest: Rest,
    decoder: Decoder,
    ready: std::vec::IntoIter<Event>,
}

/// An MCP server.
#[derive(Clone, Debug)]
pub struct Remote {
    client: reqwest::Client,
    route: Route,
}

impl Remote {
    /// Prepares requests to the server; reading certificates blocks, so it happens elsewhere.
    ///
    /// # Errors
    ///
    /// A [`Denial`] where the certificate authorities or the proxy cannot be used.
    pub async fn new(route: Route) -> Result<Self, Denial> {
        let prepared = tokio::task::spawn_blocking(move || {
            let client = client(&route)?;
            Ok(Self { client, route })
        });
        prepared.await.unwrap_or_else(|_| {
            let message = "preparing a connection failed";
            Err(Denial::new(ErrorCode::Internal, message))
        })
    }

    /// The way to it.
    #[must_use]
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// Posts a message.
    ///
    /// # Errors
    ///
    /// [`Trouble`] where no head of an answer comes back.
    pub async fn post(
        &self,
        message: Bytes,
        token: &SessionToken,
        head: &Head,
    ) -> Result<Answer, Trouble> {
        let request = self
            .request(Method::POST, token, head)
            .header(ACCEPT, "application/json, text/event-stream")
            .header(CONTENT_TYPE, "application/json")
            .body(message);
        self.send(request).await
    }

    /// Asks for the stream of what the server says by itself, or for the rest of a stream whose last
    /// event had this id.
    ///
    /// # Errors
    ///
    /// [`Trouble`] where no head of an answer comes back.
    pub async fn listen(
        &self,
        last_event: Option<&str>,
        token: &SessionToken,
        head: &Head,
    ) -> Result<Answer, Trouble> {
        let mut request = self
            .request(Method::GET, token, head)
            .header(ACCEPT, "text/event-stream");
        if let Some(id) = last_event {
            request = request.header(LAST_EVENT, id);
        }
        self.send(request).await
    }

    /// Ends a session.
    ///
    /// # Errors
    ///
    /// [`Trouble`] where no head of an answer comes back.
    pub async fn end(&self, token: &SessionToken, head: &Head) -> Result<Answer, Trouble> {
        self.send(self.request(Method::DELETE, token, head)).await
    }

    fn request(&self, method: Method, token: &SessionToken, head: &Head) -> RequestBuilder {
        let request = self.client.request(method, self.route.url().clone());
        let request = [
            (SESSION, head.session.as_deref()),
            (PROTOCOL, head.protocol.as_deref()),
        ]
        .into_iter()
        .fold(request, |request, (name, value)| match value {
            Some(value) => request.header(name, value),
            None => request,
        });
        request.header(AUTHORIZATION, bearer(token))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, Trouble> {
        let host = self.route.host();
        let response = request.send().await.map_err(|error| broken(host, error))?;
        let headers = response.headers();
        let session = text_of(headers, SESSION).filter(|id| is_session(id));
        let kind = text_of(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let status = response.status().as_u16();
        let (is_json, is_stream) = (
            kind.eq_ignore_ascii_case("application/json"),
            kind.eq_ignore_ascii_case("text/event-stream"),
        );
        let rest = Rest {
            response,
            host: host.to_owned(),
        };
        Ok(Answer {
            status,
            session,
            body: match (is_json, is_stream) {
                (true, _) => Body::Json(rest),
                (_, true) => Body::Events(Box::new(Events {
                    rest,
                    decoder: Decoder::default(),
                    ready: Vec::new().into_iter(),
                })),
                (false, false) => Body::Other,
            },
        })
    }
}

impl Rest {
    /// The message; one that is too long is not read to its end.
    ///
    /// # Errors
    ///
    /// [`Trouble`] where it is too long, no text, or does not come.
    pub async fn message(self) -> Result<String, Trouble> {
        self.text(MAX_MESSAGE).await
    }

    /// What the server says of a failure.
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn reason(self) -> Result<String, Trouble> {
        self.text(MAX_REASON).await
    }

    async fn text(mut self, limit: usize) -> Result<String, Trouble> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > limit {
                return Err(malformed(&self.host, Malformed::TooLong));
            }
            body.extend_from_slice(&chunk);
        }
        String::from_utf8(body).map_err(|_| malformed(&self.host, Malformed::NoText))
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, Trouble> {
        let chunk = self.response.chunk().await;
        chunk.map_err(|error| broken(&self.host, error))
    }
}

impl Events {
    /// The next event; `None` at the end of the stream.
    ///
    /// # Errors
    ///
    /// [`Trouble`] where an event is too long or no text, or the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Event>, Trouble> {
        loop {
            if let Some(event) = self.ready.next() {
                return Ok(Some(event));
            }
            let Some(chunk) = self.rest.chunk().await? else {
                return Ok(None);
            };
            let mut events = Vec::new();
            self.decoder
                .feed(&chunk, &mut events)
                .map_err(|why| malformed(&self.rest.host, why))?;
            self.ready = events.into_iter();
        }
    }

    /// What has been read of the stream.
    #[must_use]
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }
}

fn client(route: &Route) -> Result<reqwest::Client, Denial> {
    let unusable = |why: String| Denial::new(ErrorCode::StoreUnreadable, why);
    let here = |what: &str, error: &reqwest::Error| unusable(format!("{what}: {}", cause(error)));
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("ac-cred/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .http1_only()
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .connect_timeout(CONNECT_DEADLINE)
        .read_timeout(SILENCE)
        .tcp_keepalive(KEEPALIVE)
        .pool_idle_timeout(IDLE);
    if let Some(path) = route.ca_file() {
        let pem = read(path).map_err(|why| unusable(format!("{path}: {why}")))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|error| here("the CA file holds no certificates", &error))?;
        if certificates.is_empty() {
            return Err(unusable("the CA file holds no certificates".to_owned()));
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let Some(proxy) = route.proxy() {
        let proxy =
            reqwest::Proxy::all(proxy).map_err(|error| here("the proxy cannot be used", &error))?;
        builder = builder.proxy(proxy);
    }
    builder
        .build()
        .map_err(|error| here("TLS cannot be set up", &error))
}

/// The file with the certificate authorities, which the daemon has verified: a token is there only
/// while the credential is bound to what it holds.
fn read(path: &str) -> Result<Vec<u8>, String> {
    let mut pem = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_CA_FILE)
        .read_to_end(&mut pem)
        .map_err(|error| error.to_string())?;
    Ok(pem)
}

/// The header with the token, which reqwest does not print.
fn bearer(token: &SessionToken) -> HeaderValue {
    let value = HeaderValue::try_from(format!("Bearer {}", token.expose()));
    let mut value = value.expect("a token has only characters that a header can have");
    value.set_sensitive(true);
    value
}

fn is_session(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST_SESSION && id.bytes().all(|byte| byte.is_ascii_graphic())
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?;
    value.to_str().ok().map(str::to_owned)
}

fn malformed(host: &str, why: Malformed) -> Trouble {
    Trouble::Server(match why {
        Malformed::TooLong => format!("{host} sent a message longer than 8 MiB"),
        Malformed::NoText => format!("{host} sent what is not UTF-8"),
    })
}

fn broken(host: &str, error: reqwest::Error) -> Trouble {
    let error = error.without_url();
    let why = if error.is_timeout() {
        "it took too long".to_owned()
    } else {
        cause(&error)
    };
    if error.is_connect() {
        Trouble::Server(format!("{host} could not be reached ({why})"))
    } else {
        Trouble::Broken(format!("the connection to {host} broke ({why})"))
    }
}

/// The innermost cause of an error, which names what really happened and no URL.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    visible(&innermost.to_string())
}
