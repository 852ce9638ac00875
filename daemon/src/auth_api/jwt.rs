//! What a session token says of itself; it is decoded, never trusted for more.

use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

/// The longest organization id that is believed, in bytes.
const MAX_ORGANIZATION_ID: usize = 128;

/// The two claims that matter here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// When the token ends (`exp`, RFC 7519 section 4.1.4), in Unix seconds.
    pub exp: Option<i64>,
    /// The organization it is for (`currentOrganizationId`, read so by Appcircle's own CLI).
    pub organization_id: Option<Box<str>>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(default)]
    exp: Value,
    #[serde(default, rename = "currentOrganizationId")]
    current_organization_id: Value,
}

/// The claims of a token; a token that is no JWT, or a claim of another form, has none.
#[must_use]
pub fn claims(token: &str) -> Claims {
    decode(token).unwrap_or_default()
}

fn decode(token: &str) -> Option<Claims> {
    let mut parts = token.split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let json = Zeroizing::new(
        BASE64URL_NOPAD
            .decode(payload.trim_end_matches('=').as_bytes())
            .ok()?,
    );
    let payload: Payload = serde_json::from_slice(&json).ok()?;
    Some(Claims {
        exp: seconds(&payload.exp),
        organization_id: organization(&payload.current_organization_id),
    })
}

/// A number of seconds, whole or not, or the digits of one; anything else is no claim.
#[must_use]
pub fn seconds(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number
            .as_i64()
            .or_else(|| number.to_string().parse().ok().and_then(rounded)),
        Value::String(digits) => digits.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Seconds with the fraction dropped; a number too large is the end of time.
fn rounded(seconds: f64) -> Option<i64> {
    let whole = std::time::Duration::try_from_secs_f64(seconds.max(0.0));
    seconds.is_finite().then(|| {
        whole.map_or(i64::MAX, |whole| {
            i64::try_from(whole.as_secs()).unwrap_or(i64::MAX)
        })
    })
}

fn organization(value: &Value) -> Option<Box<str>> {
    value
        .as_str()
        .filter(|id| {
            (1..=MAX_ORGANIZATION_ID).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_graphic())
        })
        .map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> String {
        format!("eyJ9.{}.sig", BASE64URL_NOPAD.encode(payload.as_bytes()))
    }

    fn check(payload: &str, exp: Option<i64>, organization: Option<&str>) {
        let expected = Claims {
            exp,
            organization_id: organization.map(Into::into),
        };
        assert_eq!(claims(&token(payload)), expected, "{payload}");
    }

    #[test]
    fn both_claims_are_read() {
        check(
            r#"{"exp":1790000000,"currentOrganizationId":"7a3f"}"#,
            Some(1_790_000_000),
            Some("7a3f"),
        );
        check(r#"{"exp":1790000000.9}"#, Some(1_790_000_000), None);
        check(r#"{"exp":"1790000000"}"#, Some(1_790_000_000), None);
        check(r#"{"exp":1e300}"#, Some(i64::MAX), None);
    }

    #[test]
    fn a_claim_of_another_form_is_none() {
        for payload in [
            r#"{"exp":null,"currentOrganizationId":null}"#,
            r#"{"exp":{},"currentOrganizationId":7}"#,
            r#"{"exp":"soon","currentOrganizationId":""}"#,
            r#"{"exp":true,"currentOrganizationId":"a\u001bb"}"#,
            "{}",
            "[]",
            "nonsense",
            "",
        ] {
            check(payload, None, None);
        }
    }

    #[test]
    fn what_is_no_jwt_has_no_claims() {
        for text in ["opaque", "a.b", "a.b.c.d", "..", "a.%%%.c", "a.e30.c"] {
            assert_eq!(claims(text), Claims::default(), "{text}");
        }
    }
}
