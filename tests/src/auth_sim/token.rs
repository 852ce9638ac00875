//! Mints session tokens: what they say, and how an answer wraps them.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value, json};

/// How successful answers look.
///
/// The default is what Appcircle's clients assume: a JWT with `exp`, `iat`,
/// `email` and `currentOrganizationId`, and `expires_in` beside it.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Seconds from issue to expiry; negative for tokens that are dead at birth.
    pub(super) lifetime: i64,
    /// What `expires_in` says.
    pub(super) expires_in: ExpiresIn,
    /// Whether the JWT has `exp`.
    pub(super) exp: bool,
    /// Whether the JWT has `currentOrganizationId`.
    pub(super) organization: bool,
    /// Whether tokens are no JWT at all.
    pub(super) opaque: bool,
}

impl Shape {
    /// The default shape with a lifetime in seconds.
    pub(super) fn new(lifetime: i64) -> Self {
        Self {
            lifetime,
            expires_in: ExpiresIn::Lifetime,
            exp: true,
            organization: true,
            opaque: false,
        }
    }
}

/// What `expires_in` says in a successful answer.
#[derive(Clone, Debug)]
pub(super) enum ExpiresIn {
    /// The lifetime in seconds.
    Lifetime,
    /// The field is missing.
    Absent,
    /// This, whatever it is.
    Value(Value),
}

/// What a fault changes in one token before it is minted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Twist {
    /// The `currentOrganizationId` to claim.
    pub(super) organization: Option<String>,
    /// The `exp` to claim.
    pub(super) exp: Option<Value>,
}

/// A session token that the simulator has issued.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The token itself.
    pub token: String,
    /// Counts from 1 across the simulator; the token ends in `marker-LABEL-NUMBER`.
    pub number: usize,
    /// The GUID of the organization the token is for.
    pub organization_id: String,
    /// When the API stops taking the token: Unix seconds by the server's clock.
    pub expires_at: i64,
    /// Whether `revoke_token` named it.
    pub revoked: bool,
}

/// Who a token is for, and when it is made.
pub(super) struct Occasion<'a> {
    pub(super) organization_id: &'a str,
    /// A short name for people, in the marker and the `email` claim.
    pub(super) label: &'a str,
    pub(super) number: usize,
    /// Unix seconds by the server's clock.
    pub(super) now: i64,
}

/// Mints one token.
pub(super) fn mint(shape: &Shape, twist: &Twist, occasion: &Occasion<'_>) -> IssuedToken {
    let marker = format!("marker-{}-{}", safe_label(occasion.label), occasion.number);
    let organization_id = twist
        .organization
        .as_deref()
        .unwrap_or(occasion.organization_id);
    let expires_at = occasion.now.saturating_add(shape.lifetime);
    let token = if shape.opaque {
        format!("opaque-{marker}")
    } else {
        let mut claims = Map::new();
        claims.insert("iat".to_owned(), occasion.now.into());
        let email = format!("person@{}.example", safe_label(occasion.label));
        claims.insert("email".to_owned(), email.into());
        if shape.exp || twist.exp.is_some() {
            let exp = twist.exp.clone().unwrap_or_else(|| expires_at.into());
            claims.insert("exp".to_owned(), exp);
        }
        if shape.organization || twist.organization.is_some() {
            claims.insert("currentOrganizationId".to_owned(), organization_id.into());
        }
        jwt(&claims.into(), &marker)
    };
    IssuedToken {
        token,
        number: occasion.number,
        organization_id: organization_id.to_owned(),
        expires_at,
        revoked: false,
    }
}

/// The body of a successful answer.
pub(super) fn answer(shape: &Shape, token: &str) -> Value {
    let mut body = Map::new();
    body.insert("access_token".to_owned(), token.into());
    body.insert("token_type".to_owned(), "Bearer".into());
    let expires_in = match &shape.expires_in {
        ExpiresIn::Lifetime => Some(shape.lifetime.into()),
        ExpiresIn::Absent => None,
        ExpiresIn::Value(value) => Some(value.clone()),
    };
    if let Some(expires_in) = expires_in {
        body.insert("expires_in".to_owned(), expires_in);
    }
    body.into()
}

/// A JWT with a marker where the signature would be, which nobody checks.
fn jwt(claims: &Value, marker: &str) -> String {
    let header = json!({ "alg": "RS256", "kid": "simulated", "typ": "JWT" });
    let header = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
    let payload = BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
    format!("{header}.{payload}.{marker}")
}

/// The label with every byte replaced that a JWT may not have.
fn safe_label(label: &str) -> String {
    label
        .chars()
        .map(|letter| match letter {
            letter if letter.is_ascii_alphanumeric() || letter == '_' => letter,
            _ => '-',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_who_it_is_for_and_how_long() {
        let issued = mint(&Shape::new(60), &Twist::default(), &occasion());
        assert!(issued.token.ends_with(".marker-acme-3"));
        assert_eq!(issued.expires_at, 1060);
        let claims = claims(&issued.token);
        let expected = json!({
            "iat": 1000, "exp": 1060, "email": "person@acme.example", "currentOrganizationId": "guid",
        });
        assert_eq!(claims, expected);
    }

    #[test]
    fn claims_can_be_left_out() {
        let mut shape = Shape::new(60);
        shape.exp = false;
        shape.organization = false;
        let issued = mint(&shape, &Twist::default(), &occasion());
        let expected = json!({ "iat": 1000, "email": "person@acme.example" });
        assert_eq!(claims(&issued.token), expected);
    }

    #[test]
    fn a_twist_changes_what_is_claimed() {
        let twist = Twist {
            organization: Some("other".to_owned()),
            exp: Some(json!("soon")),
        };
        let claims = claims(&mint(&Shape::new(60), &twist, &occasion()).token);
        assert_eq!(claims["currentOrganizationId"], "other");
        assert_eq!(claims["exp"], "soon");
    }

    #[test]
    fn an_opaque_token_is_no_jwt_but_has_its_marker() {
        let mut shape = Shape::new(60);
        shape.opaque = true;
        let issued = mint(&shape, &Twist::default(), &occasion());
        assert_eq!(issued.token, "opaque-marker-acme-3");
    }

    #[test]
    fn a_label_never_breaks_the_token_apart() {
        assert_eq!(safe_label("a.b/c d_é"), "a-b-c-d_-");
    }

    #[test]
    fn expires_in_is_the_lifetime_or_missing_or_anything() {
        let mut shape = Shape::new(60);
        assert_eq!(answer(&shape, "t")["expires_in"], 60);
        shape.expires_in = ExpiresIn::Absent;
        assert_eq!(answer(&shape, "t").get("expires_in"), None);
        shape.expires_in = ExpiresIn::Value(json!("3600"));
        assert_eq!(answer(&shape, "t")["expires_in"], "3600");
    }

    fn occasion() -> Occasion<'static> {
        Occasion {
            organization_id: "guid",
            label: "acme",
            number: 3,
            now: 1000,
        }
    }

    fn claims(token: &str) -> Value {
        let payload = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap()
    }
}
