//! Where and how a credential is exchanged: an organization's settings, checked, and what a
//! credential is bound to.

use ac_cred_proto::settings::{EndpointVersion, Kind, OrgSettings};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::auth_api::form;

/// Why settings name no place to exchange a credential at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// A setting is not a URL of the wanted form.
    #[error("{setting} is not {wanted}")]
    Url {
        /// The setting's name.
        setting: &'static str,
        /// The form it should have.
        wanted: &'static str,
    },
    /// The Auth API would be reached without TLS, and nobody allowed it.
    #[error(
        "auth_url is not https, and http sends the credential in clear text; --allow-http allows it"
    )]
    PlainHttp,
    /// An id is not a GUID.
    #[error("{0} is not a GUID")]
    Guid(&'static str),
    /// An API key has no name.
    #[error("an api-key needs the key's name (--name)")]
    NameMissing,
    /// The kind of credential is not served there.
    #[error("{kind} cannot be exchanged at {version}{with}")]
    Version {
        /// The kind of credential.
        kind: Kind,
        /// The version asked for.
        version: EndpointVersion,
        /// What makes it impossible besides.
        with: &'static str,
    },
}

/// What a credential is bound to when it is stored: it is never sent anywhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The base of the Auth API.
    pub auth_url: String,
    /// SHA-256 of the file with the certificate authorities, in hexadecimal.
    pub ca_sha256: Option<String>,
    /// The proxy.
    pub proxy: Option<String>,
    /// Whether TLS may be missing.
    pub allow_http: bool,
}

impl Binding {
    /// The first setting in which two bindings differ.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<&'static str> {
        [
            (self.auth_url != other.auth_url, "auth_url"),
            (self.ca_sha256 != other.ca_sha256, "ca_file"),
            (self.proxy != other.proxy, "proxy"),
            (self.allow_http != other.allow_http, "allow_http"),
        ]
        .into_iter()
        .find_map(|(differs, setting)| differs.then_some(setting))
    }
}

/// Where and how a credential is exchanged.
#[derive(Clone, Debug)]
pub struct Target {
    settings: OrgSettings,
    version: EndpointVersion,
    url: String,
    host: String,
    binding: Binding,
    ca_pem: Option<Vec<u8>>,
}

impl Target {
    /// Checks the settings of an organization; `ca_pem` is what its CA file holds.
    ///
    /// # Errors
    ///
    /// [`InvalidTarget`] with the first setting that is wrong.
    pub fn new(settings: &OrgSettings, ca_pem: Option<Vec<u8>>) -> Result<Self, InvalidTarget> {
        let auth = base_url("auth_url", &settings.auth_url)?;
        if auth.scheme() != "https" && !settings.allow_http {
            return Err(InvalidTarget::PlainHttp);
        }
        base_url("api_url", &settings.api_url)?;
        settings
            .mcp_url
            .as_deref()
            .map(|url| base_url("mcp_url", url))
            .transpose()?;
        check_proxy(settings.proxy.as_deref())?;
        check_guid("organization_id", settings.organization_id.as_deref())?;
        check_guid("sub_organization", settings.sub_organization.as_deref())?;
        let version = version(settings)?;
        let base = auth.as_str().trim_end_matches('/').to_owned();
        Ok(Self {
            version,
            url: format!("{base}{}", form::path(settings.kind, version)),
            host: shown_host(&auth),
            binding: Binding {
                auth_url: base,
                ca_sha256: ca_pem.as_deref().map(sha256),
                proxy: settings.proxy.as_deref().map(str::to_owned),
                allow_http: settings.allow_http,
            },
            settings: settings.clone(),
            ca_pem,
        })
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &OrgSettings {
        &self.settings
    }

    /// The version of the token endpoint.
    #[must_use]
    pub fn version(&self) -> EndpointVersion {
        self.version
    }

    /// The URL that the form is posted to.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The host of the Auth API, with its port where that is unusual, for people.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What a credential exchanged here is bound to.
    #[must_use]
    pub fn binding(&self) -> &Binding {
        &self.binding
    }

    /// The only certificate authorities to trust, where the settings name some.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&[u8]> {
        self.ca_pem.as_deref()
    }

    /// The proxy to go through.
    #[must_use]
    pub fn proxy(&self) -> Option<&str> {
        self.settings.proxy.as_deref()
    }

    /// Whether TLS may be missing.
    #[must_use]
    pub fn allows_http(&self) -> bool {
        self.settings.allow_http
    }
}

/// A URL with a host and nothing but a path behind it.
fn base_url(setting: &'static str, text: &str) -> Result<Url, InvalidTarget> {
    let wanted = "a URL like https://auth.example.com";
    let url = Url::parse(text).map_err(|_| InvalidTarget::Url { setting, wanted })?;
    let is_plain = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    let is_web = matches!(url.scheme(), "https" | "http") && url.has_host();
    if is_plain && is_web {
        Ok(url)
    } else {
        Err(InvalidTarget::Url { setting, wanted })
    }
}

fn check_proxy(proxy: Option<&str>) -> Result<(), InvalidTarget> {
    let is_proxy = |text: &str| {
        Url::parse(text).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
        })
    };
    match proxy {
        Some(text) if !is_proxy(text) => Err(InvalidTarget::Url {
            setting: "proxy",
            wanted: "a URL like http://proxy.example.com:3128 without a password",
        }),
        Some(_) | None => Ok(()),
    }
}

/// Checks for the form 8-4-4-4-12 in hexadecimal.
fn check_guid(setting: &'static str, text: Option<&str>) -> Result<(), InvalidTarget> {
    let is_guid = |text: &str| {
        let groups: Vec<&str> = text.split('-').collect();
        groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
            && groups
                .iter()
                .all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    match text {
        Some(text) if !is_guid(text) => Err(InvalidTarget::Guid(setting)),
        Some(_) | None => Ok(()),
    }
}

/// The version of the token endpoint, refused where it cannot serve what is asked for.
fn version(settings: &OrgSettings) -> Result<EndpointVersion, InvalidTarget> {
    let (kind, has_sub) = (settings.kind, settings.sub_organization.is_some());
    let version = settings
        .endpoint_version
        .unwrap_or_else(|| form::usual_version(kind, has_sub));
    let refused = |with| {
        Err(InvalidTarget::Version {
            kind,
            version,
            with,
        })
    };
    match (kind, version) {
        (Kind::ApiKey, _) if settings.name.as_deref().is_none_or(str::is_empty) => {
            Err(InvalidTarget::NameMissing)
        }
        (Kind::ApiKey, EndpointVersion::V2 | EndpointVersion::V3)
        | (Kind::PersonalAccessToken, EndpointVersion::V3) => refused(""),
        (Kind::PersonalAccessKey | Kind::PersonalAccessToken, EndpointVersion::V1) if has_sub => {
            refused(" for a sub-organization")
        }
        (Kind::PersonalAccessKey | Kind::PersonalAccessToken | Kind::ApiKey, _) => Ok(version),
    }
}

fn shown_host(url: &Url) -> String {
    let host = match url.host() {
        Some(Host::Ipv6(address)) => format!("[{address}]"),
        Some(host) => host.to_string(),
        None => String::new(),
    };
    url.port()
        .map_or(host.clone(), |port| format!("{host}:{port}"))
}

fn sha256(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use ac_cred_proto::settings::Store;

    use super::*;

    fn target(change: impl FnOnce(&mut OrgSettings)) -> Result<Target, InvalidTarget> {
        let mut settings = OrgSettings::new(Store::Memory);
        change(&mut settings);
        Target::new(&settings, None)
    }

    #[test]
    fn a_base_url_may_have_a_port_a_path_and_a_slash_at_its_end() {
        let target = target(|s| s.auth_url = "https://ac.example.com:8443/sso/".into()).unwrap();
        assert_eq!(
            target.url(),
            "https://ac.example.com:8443/sso/auth/v3/token"
        );
        assert_eq!(target.host(), "ac.example.com:8443");
    }

    #[test]
    fn what_is_not_a_base_url_is_refused() {
        for bad in [
            "",
            "auth.example.com",
            "ftp://x",
            "https://u:p@x",
            "https://x/?q",
            "https://x/#f",
            "file:///x",
            "https://",
        ] {
            assert!(target(|s| s.auth_url = bad.into()).is_err(), "{bad:?}");
            assert!(target(|s| s.api_url = bad.into()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn http_is_refused_unless_it_was_allowed() {
        assert_eq!(
            target(|s| s.auth_url = "http://x".into()).unwrap_err(),
            InvalidTarget::PlainHttp
        );
        assert!(
            target(|s| {
                s.auth_url = "http://x".into();
                s.allow_http = true;
            })
            .is_ok()
        );
    }

    #[test]
    fn an_id_has_to_be_a_guid() {
        for bad in [
            "",
            "acme",
            "7a3f0000-0000-4000-8000-00000000000g",
            "7a3f0000000040008000000000000001",
        ] {
            assert!(
                target(|s| s.organization_id = Some(bad.into())).is_err(),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_kind_is_exchanged_only_where_it_is_served() {
        let at = |kind, version, sub: bool| {
            target(|s| {
                s.kind = kind;
                s.name = Some("ci".into());
                s.endpoint_version = Some(version);
                s.sub_organization = sub.then(|| "7a3f0000-0000-4000-8000-000000000002".into());
            })
            .is_ok()
        };
        assert!(at(Kind::PersonalAccessKey, EndpointVersion::V2, true));
        assert!(!at(Kind::PersonalAccessKey, EndpointVersion::V1, true));
        assert!(!at(Kind::PersonalAccessToken, EndpointVersion::V3, false));
        assert!(!at(Kind::ApiKey, EndpointVersion::V2, false));
        assert_eq!(
            target(|s| s.kind = Kind::ApiKey).unwrap_err(),
            InvalidTarget::NameMissing
        );
    }

    #[test]
    fn a_binding_names_the_setting_that_differs() {
        let bound = target(|_| ()).unwrap().binding().clone();
        let differs = |change: fn(&mut Binding)| {
            let mut other = bound.clone();
            change(&mut other);
            bound.difference(&other)
        };
        assert_eq!(differs(|_| ()), None);
        assert_eq!(
            differs(|b| b.auth_url = "https://other".into()),
            Some("auth_url")
        );
        assert_eq!(
            differs(|b| b.ca_sha256 = Some(String::new())),
            Some("ca_file")
        );
        assert_eq!(differs(|b| b.proxy = Some(String::new())), Some("proxy"));
        assert_eq!(differs(|b| b.allow_http = true), Some("allow_http"));
    }
}
