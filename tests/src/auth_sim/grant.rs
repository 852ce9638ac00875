//! Decides whether an exchange is granted: the four forms, the credentials, and the refusals.

use std::collections::{BTreeMap, BTreeSet};

/// The decoded fields of a form.
pub(super) type Form = BTreeMap<String, String>;

/// One of the four forms of the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    V1,
    V2,
    V3,
    ApiKey,
}

impl Endpoint {
    /// The endpoint at a path.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "/auth/v1/token" => Some(Self::V1),
            "/auth/v2/token" => Some(Self::V2),
            "/auth/v3/token" => Some(Self::V3),
            "/auth/v1/api-key/token" => Some(Self::ApiKey),
            _ => None,
        }
    }

    /// The fields that can hold the secret, with the kind of credential each takes.
    fn secret_fields(self) -> &'static [(&'static str, Kind)] {
        match self {
            Self::V1 => &[
                ("pat", Kind::PersonalAccessToken),
                ("personal-access-key", Kind::PersonalAccessKey),
            ],
            Self::V2 => &[
                ("pat", Kind::PersonalAccessToken),
                ("personalAccessKey", Kind::PersonalAccessKey),
            ],
            Self::V3 => &[("personalAccessKey", Kind::PersonalAccessKey)],
            Self::ApiKey => &[("secret", Kind::ApiKey)],
        }
    }

    /// The fields that can ask for an organization; other names are ignored, as a real server
    /// probably does.
    fn organization_fields(self) -> &'static [&'static str] {
        match self {
            Self::V1 => &[],
            Self::V2 => &["subOrganization", "subOrganizationId"],
            Self::V3 => &["subOrganization"],
            Self::ApiKey => &["organizationId"],
        }
    }

    /// The secret in a form, if it has one.
    pub(super) fn secret(self, form: &Form) -> Option<&str> {
        self.secret_fields()
            .iter()
            .find_map(|(field, _)| form.get(*field))
            .map(|secret| &**secret)
    }

    /// The organization that a form asks for, if it asks.
    ///
    /// An empty field asks for nothing (Appcircle's migration tool sends one).
    fn organization(self, form: &Form) -> Result<Option<&str>, Refusal> {
        let mut asked = None;
        for field in self.organization_fields() {
            let Some(value) = form.get(*field).filter(|value| !value.is_empty()) else {
                continue;
            };
            if asked.is_some_and(|asked| asked != value) {
                return Err(Refusal::bad("two organizations asked for"));
            }
            if !is_guid(value) {
                let name = self.organization_fields().first().unwrap_or(&"it");
                return Err(Refusal::bad(&format!("{name} must be a valid GUID")));
            }
            asked = Some(value);
        }
        Ok(asked.map(|asked| &**asked))
    }
}

/// The kinds of long-lived credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    PersonalAccessKey,
    PersonalAccessToken,
    ApiKey,
}

/// A long-lived credential as the server knows it; its secret is the key it is found by.
#[derive(Clone, Debug)]
pub(super) struct Credential {
    pub(super) kind: Kind,
    /// An API key's name.
    pub(super) name: Option<String>,
    /// The organization of a token when none is asked for.
    pub(super) home: String,
    /// Other organizations it may ask for.
    pub(super) others: BTreeSet<String>,
    /// What people call it; never the secret.
    pub(super) label: Option<String>,
    pub(super) revoked: bool,
}

/// A refusal that is well formed and therefore permanent to a client.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) error: &'static str,
    pub(super) description: String,
}

impl Refusal {
    pub(super) fn bad(description: &str) -> Self {
        Self::new(400, "invalid_request", description)
    }

    fn new(status: u16, error: &'static str, description: &str) -> Self {
        Self {
            status,
            error,
            description: description.to_owned(),
        }
    }
}

/// The organization that an exchange is granted a token for, or why it is not.
pub(super) fn decide(
    endpoint: Endpoint,
    form: &Form,
    credentials: &BTreeMap<String, Credential>,
) -> Result<String, Refusal> {
    let mut given = endpoint
        .secret_fields()
        .iter()
        .filter_map(|(field, kind)| Some((form.get(*field)?, *kind)));
    let Some((secret, kind)) = given.next() else {
        let (field, _) = endpoint
            .secret_fields()
            .first()
            .unwrap_or(&("secret", Kind::ApiKey));
        return Err(Refusal::bad(&format!("{field} is required")));
    };
    if given.next().is_some() {
        return Err(Refusal::bad("two secrets given"));
    }
    let asked = endpoint.organization(form)?;
    let credential = credentials
        .get(secret)
        .filter(|credential| credential.kind == kind && name_fits(credential, form))
        .ok_or_else(|| Refusal::new(401, "invalid_grant", unknown(kind)))?;
    if credential.revoked {
        return Err(Refusal::new(401, "invalid_grant", revoked(kind)));
    }
    let organization = asked.unwrap_or(&credential.home);
    if organization != credential.home && !credential.others.contains(organization) {
        let why = "the credential has no access to this organization";
        return Err(Refusal::new(403, "access_denied", why));
    }
    Ok(organization.to_owned())
}

/// Whether the form gives the name that an API key has.
fn name_fits(credential: &Credential, form: &Form) -> bool {
    credential.name.is_none() || credential.name.as_ref() == form.get("name")
}

fn unknown(kind: Kind) -> &'static str {
    match kind {
        Kind::PersonalAccessKey => "Invalid personal access key",
        Kind::PersonalAccessToken => "Invalid PAT token",
        Kind::ApiKey => "Invalid API key name or secret",
    }
}

fn revoked(kind: Kind) -> &'static str {
    match kind {
        Kind::PersonalAccessKey => "Personal access key expired",
        Kind::PersonalAccessToken => "PAT token expired",
        Kind::ApiKey => "API key expired",
    }
}

/// Whether the text is a GUID as Appcircle writes them: 8-4-4-4-12 hexadecimal digits.
#[must_use]
pub fn is_guid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups
            .iter()
            .all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: &str = "11111111-1111-4111-8111-111111111111";
    const SUB: &str = "22222222-2222-4222-8222-222222222222";
    const FOREIGN: &str = "33333333-3333-4333-8333-333333333333";

    #[test]
    fn each_form_grants_what_it_may() {
        use Endpoint::{ApiKey, V1, V2, V3};
        let table: [(Endpoint, &str, &str); 13] = [
            (V3, "personalAccessKey=key", HOME),
            (V3, "personalAccessKey=key&scope=openid", HOME),
            (V3, "personalAccessKey=key&subOrganization=SUB", SUB),
            (V3, "personalAccessKey=key&subOrganizationId=SUB", HOME),
            (V2, "pat=pat", HOME),
            (V2, "pat=pat&subOrganizationId=", HOME),
            (V2, "pat=pat&subOrganizationId=SUB", SUB),
            (V2, "personalAccessKey=key&subOrganization=SUB", SUB),
            (V2, "pat=pat&subOrganization=SUB&subOrganizationId=SUB", SUB),
            (V1, "pat=pat&subOrganization=SUB", HOME),
            (V1, "personal-access-key=key", HOME),
            (ApiKey, "name=ci&secret=api", HOME),
            (ApiKey, "name=ci&secret=api&organizationId=SUB", SUB),
        ];
        for (endpoint, form, organization) in table {
            assert_eq!(
                try_form(endpoint, form),
                Ok(organization.to_owned()),
                "{form}"
            );
        }
    }

    #[test]
    fn each_form_refuses_what_it_must() {
        use Endpoint::{ApiKey, V1, V2, V3};
        let table: [(Endpoint, &str, u16); 14] = [
            (V3, "", 400),
            (V3, "pat=pat", 400),
            (V3, "personalAccessKey=wrong", 401),
            (V3, "personalAccessKey=pat", 401),
            (V3, "personalAccessKey=revoked", 401),
            (V3, "personalAccessKey=key&subOrganization=acme", 400),
            (V3, "personalAccessKey=key&subOrganization=FOREIGN", 403),
            (V2, "pat=pat&personalAccessKey=key", 400),
            (
                V2,
                "pat=pat&subOrganization=SUB&subOrganizationId=HOME",
                400,
            ),
            (V1, "personalAccessKey=key", 400),
            (ApiKey, "secret=api", 401),
            (ApiKey, "name=other&secret=api", 401),
            (ApiKey, "name=ci&secret=api&organizationId=1234", 400),
            (ApiKey, "name=ci&secret=api&organizationId=FOREIGN", 403),
        ];
        for (endpoint, form, status) in table {
            let refusal = try_form(endpoint, form).unwrap_err();
            assert_eq!(refusal.status, status, "{form}");
        }
    }

    #[test]
    fn a_guid_is_told_from_other_text() {
        assert!(is_guid(HOME));
        for wrong in [
            "",
            "acme",
            "1111111-1111-4111-8111-111111111111",
            "g1111111-1111-4111-8111-111111111111",
        ] {
            assert!(!is_guid(wrong), "{wrong}");
        }
    }

    fn try_form(endpoint: Endpoint, form: &str) -> Result<String, Refusal> {
        let form = form
            .replace("SUB", SUB)
            .replace("HOME", HOME)
            .replace("FOREIGN", FOREIGN);
        let form = form
            .split('&')
            .filter_map(|field| field.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut revoked = credential(Kind::PersonalAccessKey);
        revoked.revoked = true;
        let credentials = BTreeMap::from([
            ("key".to_owned(), credential(Kind::PersonalAccessKey)),
            ("pat".to_owned(), credential(Kind::PersonalAccessToken)),
            ("api".to_owned(), credential(Kind::ApiKey)),
            ("revoked".to_owned(), revoked),
        ]);
        decide(endpoint, &form, &credentials)
    }

    fn credential(kind: Kind) -> Credential {
        Credential {
            kind,
            name: (kind == Kind::ApiKey).then(|| "ci".to_owned()),
            home: HOME.to_owned(),
            others: BTreeSet::from([SUB.to_owned()]),
            label: None,
            revoked: false,
        }
    }
}
