//! The four forms of an exchange as bodies of `application/x-www-form-urlencoded`.
//!
//! Sources: Appcircle's documentation, "Personal Access Key" (v3), "API and CLI authentication"
//! (v1), "API keys"; the fastlane plugin for `personal-access-key` on v1; the Azure DevOps
//! extension for `subOrganizationId` on v2, where the documentation has `subOrganization`: both are
//! sent, and the organization guard notices a server that knows neither.

use ac_cred_proto::secret::Credential;
use ac_cred_proto::settings::{EndpointVersion, Kind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::auth_api::target::Target;

/// Everything but the unreserved characters of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The path of the exchange below the base of the Auth API.
#[must_use]
pub fn path(kind: Kind, version: EndpointVersion) -> &'static str {
    match (kind, version) {
        (Kind::ApiKey, _) => "/auth/v1/api-key/token",
        (_, EndpointVersion::V1) => "/auth/v1/token",
        (_, EndpointVersion::V2) => "/auth/v2/token",
        (_, EndpointVersion::V3) => "/auth/v3/token",
    }
}

/// The version of the token endpoint that serves a kind when no other is asked for.
#[must_use]
pub fn usual_version(kind: Kind, has_sub_organization: bool) -> EndpointVersion {
    match kind {
        Kind::PersonalAccessKey => EndpointVersion::V3,
        Kind::PersonalAccessToken if has_sub_organization => EndpointVersion::V2,
        Kind::PersonalAccessToken | Kind::ApiKey => EndpointVersion::V1,
    }
}

/// The name of the field that carries the credential.
fn secret_field(kind: Kind, version: EndpointVersion) -> &'static str {
    match (kind, version) {
        (Kind::PersonalAccessKey, EndpointVersion::V1) => "personal-access-key",
        (Kind::PersonalAccessKey, EndpointVersion::V2 | EndpointVersion::V3) => "personalAccessKey",
        (Kind::PersonalAccessToken, _) => "pat",
        (Kind::ApiKey, _) => "secret",
    }
}

/// The names of the fields that carry a sub-organization's id.
fn sub_organization_fields(version: EndpointVersion) -> &'static [&'static str] {
    match version {
        EndpointVersion::V1 => &[],
        EndpointVersion::V2 => &["subOrganization", "subOrganizationId"],
        EndpointVersion::V3 => &["subOrganization"],
    }
}

/// The body that exchanges `credential` at `target`.
#[must_use]
pub fn encode(target: &Target, credential: &Credential) -> Zeroizing<Vec<u8>> {
    let settings = target.settings();
    let version = target.version();
    let mut fields = Vec::with_capacity(4);
    if settings.kind == Kind::ApiKey {
        fields.push(("name", settings.name.as_deref().unwrap_or_default()));
        fields.extend(
            settings
                .asked_organization()
                .map(|id| ("organizationId", id)),
        );
    } else if let Some(id) = settings.sub_organization.as_deref() {
        fields.extend(
            sub_organization_fields(version)
                .iter()
                .map(|&name| (name, id)),
        );
    }
    fields.push((secret_field(settings.kind, version), credential.expose()));
    encode_fields(&fields)
}

/// One buffer of the full size from the start, so that no copy of the secret is left behind.
fn encode_fields(fields: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    let longest = fields
        .iter()
        .map(|(name, value)| name.len() + 3 * value.len() + 2)
        .sum();
    let mut body = Zeroizing::new(Vec::with_capacity(longest));
    for (name, value) in fields {
        if !body.is_empty() {
            body.push(b'&');
        }
        body.extend_from_slice(name.as_bytes());
        body.push(b'=');
        for piece in utf8_percent_encode(value, ESCAPED) {
            body.extend_from_slice(piece.as_bytes());
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use ac_cred_proto::settings::{OrgSettings, Store};

    use super::*;

    const SUB: &str = "7a3f0000-0000-4000-8000-000000000002";

    fn check(change: impl FnOnce(&mut OrgSettings), url: &str, body: &str) {
        let mut settings = OrgSettings::new(Store::Memory);
        change(&mut settings);
        let target = Target::new(&settings, None).unwrap();
        let credential = Credential::parse("a+b/c==&%").unwrap();
        assert_eq!(target.url(), format!("https://auth.appcircle.io{url}"));
        assert_eq!(String::from_utf8_lossy(&encode(&target, &credential)), body);
    }

    #[test]
    fn a_personal_access_key_goes_to_v3() {
        check(
            |_| (),
            "/auth/v3/token",
            "personalAccessKey=a%2Bb%2Fc%3D%3D%26%25",
        );
        check(
            |s| s.sub_organization = Some(SUB.into()),
            "/auth/v3/token",
            &format!("subOrganization={SUB}&personalAccessKey=a%2Bb%2Fc%3D%3D%26%25"),
        );
        check(
            |s| s.endpoint_version = Some(EndpointVersion::V1),
            "/auth/v1/token",
            "personal-access-key=a%2Bb%2Fc%3D%3D%26%25",
        );
    }

    #[test]
    fn a_personal_access_token_goes_to_v1_and_to_v2_for_a_sub_organization() {
        check(
            |s| s.kind = Kind::PersonalAccessToken,
            "/auth/v1/token",
            "pat=a%2Bb%2Fc%3D%3D%26%25",
        );
        check(
            |s| {
                s.kind = Kind::PersonalAccessToken;
                s.sub_organization = Some(SUB.into());
            },
            "/auth/v2/token",
            &format!("subOrganization={SUB}&subOrganizationId={SUB}&pat=a%2Bb%2Fc%3D%3D%26%25"),
        );
    }

    #[test]
    fn an_api_key_brings_its_name_and_organization() {
        check(
            |s| {
                s.kind = Kind::ApiKey;
                s.name = Some("ci key".into());
                s.organization_id = Some(SUB.into());
            },
            "/auth/v1/api-key/token",
            &format!("name=ci%20key&organizationId={SUB}&secret=a%2Bb%2Fc%3D%3D%26%25"),
        );
    }
}
