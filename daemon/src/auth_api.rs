//! The exchange of a credential for a session token over HTTPS; the only file that names reqwest.
//!
//! One exchange is one POST on a connection of its own: no redirect is followed, no environment
//! variable is asked, the body is read up to [`MAX_BODY`] bytes, and everything together ends
//! within [`TOTAL_DEADLINE`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use ac_cred_proto::message::Step;
use ac_cred_proto::secret::Credential;
use ac_cred_proto::text::visible;
use ac_cred_proto::{Denial, ErrorCode};
use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use zeroize::Zeroizing;

use crate::auth_api::answer::Answer;
use crate::auth_api::certificate::Certificate;
use crate::auth_api::target::Target;
use crate::clock::Clock;
use crate::policy::slot::{Failure, Grant};

pub mod answer;
pub mod certificate;
pub mod form;
pub mod jwt;
pub mod target;

/// The most bytes of an answer's body that are read.
pub const MAX_BODY: usize = 256 * 1_024;

/// How long a connection may take to be made, TLS included.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// How long an exchange may take in all.
pub const TOTAL_DEADLINE: Duration = Duration::from_secs(30);

/// The future of an exchange.
pub type Exchange = Pin<Box<dyn Future<Output = Result<Grant, Failure>> + Send>>;

/// The future of a look at a server.
pub type Look = Pin<Box<dyn Future<Output = Result<Seen, Unseen>> + Send>>;

/// What a look at a server shows.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// How far its clock is ahead of this machine's, in seconds, where it tells the time.
    pub ahead: Option<i32>,
    /// Its certificate, where it has one that can be read.
    pub certificate: Option<Certificate>,
}

/// Why a server was not seen.
#[derive(Debug)]
pub struct Unseen {
    /// What went wrong.
    pub failure: Failure,
    /// On which step, where that is known.
    pub step: Option<Step>,
}

impl From<Failure> for Unseen {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            step: None,
        }
    }
}

/// What exchanges credentials: the Auth API, or a test's stand-in.
pub trait AuthApi: Send + Sync + 'static {
    /// Sends `credential` to `target` and reads what comes back.
    fn exchange(&self, target: Arc<Target>, credential: Credential) -> Exchange;

    /// Asks whether anybody answers at the base of `target`, without a credential.
    fn look(&self, target: Arc<Target>) -> Look;
}

/// The Auth API over HTTPS.
pub struct HttpsAuthApi {
    clock: Arc<dyn Clock>,
}

impl HttpsAuthApi {
    /// An exchanger that tells a token's life by `clock` where the server does not name the time.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

impl AuthApi for HttpsAuthApi {
    fn exchange(&self, target: Arc<Target>, credential: Credential) -> Exchange {
        let clock = Arc::clone(&self.clock);
        Box::pin(async move {
            let began = clock.now().moment;
            let sent = tokio::time::timeout(TOTAL_DEADLINE, send(&target, &credential));
            let mut answer = sent.await.unwrap_or_else(|_| Err(late(&target)))?;
            let now = clock.now();
            // The timeout stands still while the machine sleeps; a token got before has aged.
            if u128::from(began.until(now.moment).0) > TOTAL_DEADLINE.as_millis() {
                return Err(late(&target));
            }
            answer.wall = now.wall;
            answer.read(&target, &credential)
        })
    }

    fn look(&self, target: Arc<Target>) -> Look {
        let clock = Arc::clone(&self.clock);
        Box::pin(async move {
            let client = client(Arc::clone(&target)).await?;
            let asked = client.head(&target.binding().auth_url).send();
            let response = asked.await.map_err(|error| Unseen {
                step: step_of(&target, &error),
                failure: broken(&target, error),
            })?;
            let answer = Answer {
                date: text_of(response.headers(), &DATE),
                wall: clock.now().wall,
                ..Answer::default()
            };
            let shown = response.extensions().get::<reqwest::tls::TlsInfo>();
            Ok(Seen {
                ahead: answer.ahead(),
                certificate: shown
                    .and_then(reqwest::tls::TlsInfo::peer_certificate)
                    .and_then(certificate::read),
            })
        })
    }
}

/// Posts the form and collects the answer.
async fn send(target: &Arc<Target>, credential: &Credential) -> Result<Answer, Failure> {
    let client = client(Arc::clone(target)).await?;
    let body = bytes_of(form::encode(target, credential));
    let response = client
        .post(target.url())
        .header(ACCEPT, "application/json")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .map_err(|error| broken(target, error))?;
    let headers = response.headers();
    let mut answer = Answer {
        status: response.status().as_u16(),
        date: text_of(headers, &DATE),
        retry_after: text_of(headers, &RETRY_AFTER),
        ..Answer::default()
    };
    answer.body = body_of(response, target).await?;
    Ok(answer)
}

/// The client for one exchange; reading the system's certificates blocks, so it happens elsewhere.
async fn client(target: Arc<Target>) -> Result<reqwest::Client, Failure> {
    tokio::task::spawn_blocking(move || build_client(&target))
        .await
        .unwrap_or_else(|_| {
            Err(Failure::Here(Denial::new(
                ErrorCode::Internal,
                "preparing an exchange failed",
            )))
        })
}

fn build_client(target: &Target) -> Result<reqwest::Client, Failure> {
    let unusable = |why: String| Failure::Here(Denial::new(ErrorCode::StoreUnreadable, why));
    let here = |what: &str, error: &reqwest::Error| unusable(format!("{what}: {}", cause(error)));
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("ac-cred/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .http1_only()
        .https_only(!target.allows_http())
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .pool_max_idle_per_host(0)
        .tls_info(true)
        .connect_timeout(CONNECT_DEADLINE);
    if let Some(pem) = target.ca_pem() {
        let certificates = reqwest::Certificate::from_pem_bundle(pem)
            .map_err(|error| here("the CA file holds no certificates", &error))?;
        if certificates.is_empty() {
            return Err(unusable("the CA file holds no certificates".to_owned()));
        }
        builder = builder.tls_certs_only(certificates);
    }
    if let Some(proxy) = target.proxy() {
        let proxy =
            reqwest::Proxy::all(proxy).map_err(|error| here("the proxy cannot be used", &error))?;
        builder = builder.proxy(proxy);
    }
    builder
        .build()
        .map_err(|error| here("TLS cannot be set up", &error))
}

/// The form as a body whose bytes are wiped once they are sent.
fn bytes_of(form: Zeroizing<Vec<u8>>) -> reqwest::Body {
    reqwest::Body::from(bytes::Bytes::from_owner(form))
}

fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned)
}

/// Reads the body, and stops at [`MAX_BODY`] bytes.
async fn body_of(
    mut response: reqwest::Response,
    target: &Target,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut body = Zeroizing::new(Vec::with_capacity(8_192));
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| broken(target, error))?
    {
        if body.len() + chunk.len() > MAX_BODY {
            return Err(Failure::Transient(
                Denial::new(
                    ErrorCode::AuthApiBadAnswer,
                    format!("{} answered more than {MAX_BODY} bytes", target.host()),
                ),
                None,
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn late(target: &Target) -> Failure {
    unreachable(
        target,
        &format!(
            "no whole answer within {} seconds",
            TOTAL_DEADLINE.as_secs()
        ),
    )
}

fn broken(target: &Target, error: reqwest::Error) -> Failure {
    let error = error.without_url();
    if error.is_timeout() {
        unreachable(target, "it took too long")
    } else {
        unreachable(target, &cause(&error))
    }
}

fn unreachable(target: &Target, why: &str) -> Failure {
    let message = format!("{} could not be reached ({why})", target.host());
    Failure::Transient(Denial::new(ErrorCode::AuthApiUnreachable, message), None)
}

/// On which step the way to a server ended, as far as the error tells.
fn step_of(target: &Target, error: &reqwest::Error) -> Option<Step> {
    let told = |part: &str| {
        // The outermost names the URL.
        let mut next = std::error::Error::source(error);
        std::iter::from_fn(|| {
            let this = next?;
            next = this.source();
            Some(this.to_string())
        })
        .any(|text| text.to_lowercase().contains(part))
    };
    if told("certificate") || told("tls") || told("handshake") {
        Some(Step::Tls)
    } else if target.proxy().is_some() && error.is_connect() {
        Some(Step::Proxy)
    } else {
        told("dns error").then_some(Step::Dns)
    }
}

/// The innermost cause of an error, which names what really happened and no URL.
fn cause(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    visible(text.split(" (os error").next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
