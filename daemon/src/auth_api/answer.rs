//! What an answer of the Auth API means: the table of statuses and error classes.
//!
//! | answer | class | error |
//! | --- | --- | --- |
//! | 200 with a JSON object and a usable `access_token` | a token | |
//! | … of another organization than the one asked for or pinned | transient | `wrong_organization` |
//! | … that has already expired, or is the credential itself | transient | `auth_api_bad_answer` |
//! | 400, 401, 403 with a JSON object | refused | `credential_refused` |
//! | 429 | transient | `rate_limited` |
//! | any other status or body | transient | `auth_api_bad_answer` |
//! | none: network, TLS, deadline | transient | `auth_api_unreachable` (in `auth_api.rs`) |
//!
//! What Appcircle really answers to a refused credential is not documented; a refusal without a
//! JSON object may come from a proxy on the way, so it is tried again.

use ac_cred_proto::secret::{Credential, SessionToken};
use ac_cred_proto::text::visible;
use ac_cred_proto::time::Timestamp;
use ac_cred_proto::{Denial, ErrorCode};
use percent_encoding::percent_decode;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::auth_api::jwt::{self, Claims};
use crate::auth_api::target::Target;
use crate::policy::slot::{Failure, Grant};
use crate::policy::{Span, freshness};

/// The shortest piece of a credential that gives something of it away; servers name keys by fewer
/// characters.
const TELLING_PIECE: usize = 8;

/// An answer as it came, and when.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The `Date` header.
    pub date: Option<String>,
    /// The `Retry-After` header.
    pub retry_after: Option<String>,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
    /// The wall clock at its receipt.
    pub wall: Timestamp,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SessionToken,
    #[serde(default)]
    expires_in: Value,
}

impl Answer {
    /// What the answer means for the one who sent `credential` to `target`.
    ///
    /// # Errors
    ///
    /// [`Failure`] as the table of this module says.
    pub fn read(&self, target: &Target, credential: &Credential) -> Result<Grant, Failure> {
        match self.status {
            200 => self.grant(target, credential),
            400 | 401 | 403 => Err(self.refusal(target, credential)),
            429 => Err(self.transient(
                ErrorCode::RateLimited,
                format!("{} asks for fewer exchanges (429)", target.host()),
            )),
            status => Err(self.bad(target, &format!("status {status}"))),
        }
    }

    fn grant(&self, target: &Target, credential: &Credential) -> Result<Grant, Failure> {
        let answer: TokenAnswer = serde_json::from_slice(&self.body)
            .map_err(|_| self.bad(target, "200 without a usable access_token"))?;
        let token = answer.access_token;
        if token.expose() == credential.expose() {
            return Err(self.bad(target, "200 with the credential in place of a token"));
        }
        let claims = jwt::claims(token.expose());
        self.guard(target, credential, &claims)?;
        let server_now = self.server_now();
        let life = freshness::life(claims.exp, jwt::seconds(&answer.expires_in), server_now);
        if life == Span(0) {
            return Err(self.bad(target, "200 with a token that has already expired"));
        }
        let expires_at = Timestamp::from_unix(server_now.saturating_add(life.0 / 1_000));
        Ok(Grant {
            token,
            organization_id: claims.organization_id,
            life,
            expires_at,
        })
    }

    /// Refuses a token of another organization than the one asked for or pinned.
    fn guard(
        &self,
        target: &Target,
        credential: &Credential,
        claims: &Claims,
    ) -> Result<(), Failure> {
        let settings = target.settings();
        let asked = settings.asked_organization();
        let wanted = asked.or(settings.pinned_organization.as_deref());
        let got = claims.organization_id.as_deref();
        let is_right = match (wanted, got) {
            (Some(wanted), Some(got)) => wanted.eq_ignore_ascii_case(got),
            (Some(_), None) => asked.is_none(),
            (None, _) => true,
        };
        if is_right {
            return Ok(());
        }
        let message = format!(
            "{} answered with a token for {}, not for organization {}",
            target.host(),
            got.and_then(|got| shown(got, credential)).map_or_else(
                || "an unnamed organization".to_owned(),
                |got| format!("organization {got}")
            ),
            wanted.unwrap_or_default(),
        );
        Err(self.transient(ErrorCode::WrongOrganization, message))
    }

    /// A refusal of the credential, where the body shows that the Auth API itself wrote it.
    fn refusal(&self, target: &Target, credential: &Credential) -> Failure {
        let Ok(Value::Object(body)) = serde_json::from_slice(&self.body) else {
            return self.bad(
                target,
                &format!("status {} without a JSON object", self.status),
            );
        };
        let said = ["error_description", "message", "error", "detail"]
            .iter()
            .find_map(|&field| body.get(field).and_then(Value::as_str))
            .and_then(|said| shown(said, credential))
            .map(|said| format!(": {said}"))
            .unwrap_or_default();
        let message = format!(
            "{} refused the credential ({}{said})",
            target.host(),
            self.status
        );
        Failure::Refused(Denial::new(ErrorCode::CredentialRefused, message))
    }

    fn bad(&self, target: &Target, what: &str) -> Failure {
        self.transient(
            ErrorCode::AuthApiBadAnswer,
            format!("{} answered {what}", target.host()),
        )
    }

    fn transient(&self, error: ErrorCode, message: String) -> Failure {
        Failure::Transient(Denial::new(error, message), self.requested_pause())
    }

    /// The server's clock in Unix seconds; this machine's where the server does not tell.
    fn server_now(&self) -> u64 {
        self.date
            .as_deref()
            .and_then(unix_of_http_date)
            .unwrap_or(self.wall.as_unix())
    }

    /// How far the server's clock is ahead of this machine's, in seconds, where it tells the time.
    #[must_use]
    pub fn ahead(&self) -> Option<i32> {
        let told = self.date.as_deref().and_then(unix_of_http_date)?;
        let ahead = i64::try_from(told).ok()? - i64::try_from(self.wall.as_unix()).ok()?;
        Some(i32::try_from(ahead).unwrap_or(if ahead < 0 { i32::MIN } else { i32::MAX }))
    }

    /// What `Retry-After` asks for: seconds or a date (RFC 9110, section 10.2.3).
    fn requested_pause(&self) -> Option<Span> {
        let text = self.retry_after.as_deref()?.trim();
        let seconds = text.parse().ok().or_else(|| {
            unix_of_http_date(text).map(|until| until.saturating_sub(self.server_now()))
        })?;
        Some(Span::seconds(seconds))
    }
}

/// What may be shown of a server's text: nothing where a piece of the credential is in it, in any
/// case, percent-encoded or with other characters between.
fn shown(text: &str, credential: &Credential) -> Option<String> {
    let shown = visible(text);
    let secret = letters_and_digits(credential.expose().as_bytes());
    let length = TELLING_PIECE.min(secret.len()).max(1);
    let gives_away = |spelled: &[u8]| {
        let letters = letters_and_digits(spelled);
        let mut pieces = secret.windows(length);
        pieces.any(|piece| letters.windows(length).any(|there| there == piece))
    };
    if shown.contains(credential.expose()) {
        return None;
    }
    let mut spelled = Zeroizing::new(shown.clone().into_bytes());
    // A text that was encoded more often than this is of no use to a person either.
    for _ in 0..3 {
        if gives_away(&spelled) {
            return None;
        }
        let decoded = percent_decode(&spelled).collect();
        spelled = Zeroizing::new(decoded);
    }
    Some(shown)
}

fn letters_and_digits(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let letters = text.iter().filter(|byte| byte.is_ascii_alphanumeric());
    Zeroizing::new(letters.map(u8::to_ascii_lowercase).collect())
}

fn unix_of_http_date(text: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(text).ok()?;
    time.duration_since(std::time::UNIX_EPOCH)
        .ok()
        .map(|since| since.as_secs())
}

#[cfg(test)]
mod tests;
