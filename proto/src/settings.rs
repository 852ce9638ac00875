//! What is known of each organization besides its secret: the settings file as types.
//!
//! ```toml
//! default = "acme"
//!
//! [organizations.acme]
//! kind = "personal-access-key"
//! store = "file"
//! auth_url = "https://auth.appcircle.io"
//! api_url = "https://api.appcircle.io"
//! ```
//!
//! The text is parsed here, by pure functions; the daemon and the client read the file themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

pub use self::lock_after::LockAfter;
use crate::denial::{Denial, ErrorCode};
use crate::org::Org;
use crate::time::Timestamp;

mod lock_after;

/// Where Appcircle's cloud exchanges credentials (Appcircle's documentation, "API authentication").
pub const CLOUD_AUTH_URL: &str = "https://auth.appcircle.io";
/// Where Appcircle's cloud serves its API (Appcircle's documentation, "API authentication").
pub const CLOUD_API_URL: &str = "https://api.appcircle.io";

/// Where Appcircle's cloud serves its MCP server (Appcircle's documentation, "MCP server").
pub const CLOUD_MCP_URL: &str = "https://mcp.appcircle.io";

/// How many names an error lists before it counts the rest.
const NAMES_IN_A_MESSAGE: usize = 10;

macro_rules! named_choices {
    ($(#[$enum_doc:meta])* $choice:ident { $($(#[$doc:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$enum_doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $choice {
            $($(#[$doc])* #[serde(rename = $name)] $variant,)+
        }

        impl $choice {
            /// Every choice, in the order of the wire.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The choice as it is typed.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl FromStr for $choice {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($name => Ok(Self::$variant),)+
                    _ => Err(format!("it is one of {}", [$($name),+].join(", "))),
                }
            }
        }

        impl fmt::Display for $choice {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

named_choices! {
    /// What kind of long-lived secret a credential is (Appcircle's documentation, "Personal Access
    /// Key" and "API keys").
    Kind {
        /// Today's secret of a user in an organization.
        PersonalAccessKey = "personal-access-key",
        /// The legacy form of the same.
        PersonalAccessToken = "personal-access-token",
        /// A named key of an organization.
        ApiKey = "api-key",
    }
}

named_choices! {
    /// Where a credential rests.
    Store {
        /// The age-encrypted file.
        File = "file",
        /// The daemon's memory, until it stops.
        Memory = "memory",
        /// The keyring of the system: Secret Service, Keychain or Credential Manager.
        Keyring = "keyring",
        /// Nowhere: a command prints it when it is needed.
        Command = "command",
    }
}

named_choices! {
    /// The version of the Auth API's token endpoint, where it is not the one that the kind implies.
    EndpointVersion {
        /// `/auth/v1/token`
        V1 = "v1",
        /// `/auth/v2/token`
        V2 = "v2",
        /// `/auth/v3/token`
        V3 = "v3",
    }
}

/// The settings of one organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrgSettings {
    /// The kind of its credential.
    #[serde(default = "default_kind")]
    pub kind: Kind,
    /// Where its credential rests.
    pub store: Store,
    /// The base of the Auth API, without `/auth/v…`.
    #[serde(default = "default_auth_url")]
    pub auth_url: Box<str>,
    /// The base of the API that the token is for.
    #[serde(default = "default_api_url")]
    pub api_url: Box<str>,
    /// The MCP server that the token is for.
    #[serde(default)]
    pub mcp_url: Option<Box<str>>,
    /// The name of the API key.
    #[serde(default)]
    pub name: Option<Box<str>>,
    /// The GUID that a person asked for: a token has to be of this organization.
    #[serde(default)]
    pub organization_id: Option<Box<str>>,
    /// The GUID of the sub-organization that a person asked for.
    #[serde(default)]
    pub sub_organization: Option<Box<str>>,
    /// The GUID that the first token named; later tokens have to name it too.
    #[serde(default)]
    pub pinned_organization: Option<Box<str>>,
    /// The version of the token endpoint, where the kind's own is not meant.
    #[serde(default)]
    pub endpoint_version: Option<EndpointVersion>,
    /// The PEM file of the only certificate authorities that may vouch for the Auth API.
    #[serde(default)]
    pub ca_file: Option<Box<str>>,
    /// The proxy through which the Auth API is reached.
    #[serde(default)]
    pub proxy: Option<Box<str>>,
    /// Whether the Auth API may be reached without TLS.
    #[serde(default)]
    pub allow_http: bool,
    /// When its credential ends.
    #[serde(default)]
    pub expires: Option<Timestamp>,
}

fn default_kind() -> Kind {
    Kind::PersonalAccessKey
}

fn default_auth_url() -> Box<str> {
    CLOUD_AUTH_URL.into()
}

fn default_api_url() -> Box<str> {
    CLOUD_API_URL.into()
}

impl OrgSettings {
    /// The settings of an organization of Appcircle's cloud whose credential rests in `store`.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self {
            kind: default_kind(),
            store,
            auth_url: default_auth_url(),
            api_url: default_api_url(),
            mcp_url: None,
            name: None,
            organization_id: None,
            sub_organization: None,
            pinned_organization: None,
            endpoint_version: None,
            ca_file: None,
            proxy: None,
            allow_http: false,
            expires: None,
        }
    }

    /// The MCP server that the token is for: the one that is set, or the cloud's for an
    /// organization of the cloud. A token of another installation is not the cloud's to see.
    #[must_use]
    pub fn mcp_server(&self) -> Option<&str> {
        let is_of_cloud = self.auth_url.trim_end_matches('/') == CLOUD_AUTH_URL;
        self.mcp_url
            .as_deref()
            .or(is_of_cloud.then_some(CLOUD_MCP_URL))
    }

    /// The GUID that a person asked tokens to be of.
    #[must_use]
    pub fn asked_organization(&self) -> Option<&str> {
        self.sub_organization
            .as_deref()
            .or(self.organization_id.as_deref())
    }

    /// The GUID by which Appcircle knows the organization, as far as it is known here.
    #[must_use]
    pub fn known_organization(&self) -> Option<&str> {
        self.asked_organization()
            .or(self.pinned_organization.as_deref())
    }
}

/// Every organization's settings, and the one that is meant when none is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The organization that is meant when none is named.
    #[serde(default)]
    pub default: Option<Org>,
    /// How long the daemon is left alone before it locks itself; never where nothing is said.
    #[serde(default)]
    pub lock_after: Option<LockAfter>,
    /// The file, by its whole path, to which the daemon adds who asked for what, from its start on;
    /// none where nothing is said.
    #[serde(default, deserialize_with = "whole_path")]
    pub audit_file: Option<Box<str>>,
    /// The organizations by alias.
    #[serde(default)]
    pub organizations: BTreeMap<Org, OrgSettings>,
}

fn whole_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<str>>, D::Error> {
    let path = Box::<str>::deserialize(deserializer)?;
    if Path::new(&*path).is_absolute() {
        Ok(Some(path))
    } else {
        Err(D::Error::custom("a file is named by its whole path"))
    }
}

/// Where and why a settings file cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong, without the text that is.
    pub message: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.message
        )
    }
}

impl std::error::Error for SettingsError {}

/// The line and column, from 1, of a byte of `text`.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |feed| feed + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

impl Settings {
    /// Reads the text of a settings file.
    ///
    /// # Errors
    ///
    /// [`SettingsError`] with the line and column of the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        toml::from_str(text).map_err(|error| {
            let (line, column) = position(text, error.span().map_or(0, |span| span.start));
            SettingsError {
                line,
                column,
                message: without_values(error.message()),
            }
        })
    }

    /// The organization that a request means: the named one, the default, or the only one.
    ///
    /// # Errors
    ///
    /// A [`Denial`] when the named one is not known, or when none is named and several are known.
    pub fn choose(&self, named: Option<&Org>) -> Result<(&Org, &OrgSettings), Denial> {
        match named.or(self.default.as_ref()) {
            Some(name) => self.find(name).ok_or_else(|| self.unknown(name)),
            None if self.organizations.len() == 1 => self
                .organizations
                .first_key_value()
                .ok_or_else(|| self.none_chosen()),
            None => Err(self.none_chosen()),
        }
    }

    /// The organization of an alias, or else of a GUID.
    fn find(&self, name: &Org) -> Option<(&Org, &OrgSettings)> {
        self.organizations.get_key_value(name).or_else(|| {
            self.organizations.iter().find(|(_, known)| {
                known
                    .known_organization()
                    .is_some_and(|id| id.eq_ignore_ascii_case(name.as_str()))
            })
        })
    }

    /// The refusal of a name that is not known here.
    #[must_use]
    pub fn unknown(&self, name: &Org) -> Denial {
        let known = match self.names() {
            Some(names) => format!("known here: {names}"),
            None => "none is known here".to_owned(),
        };
        Denial::new(
            ErrorCode::UnknownOrganization,
            format!("no organization is called {name} ({known})"),
        )
        .hint(format!("ac-cred login {name}"))
    }

    fn none_chosen(&self) -> Denial {
        let denial = |message| Denial::new(ErrorCode::NoOrganizationChosen, message);
        match self.names() {
            Some(names) => {
                denial(format!("no organization is chosen among {names}")).hint("ac-cred use ORG")
            }
            None => denial("no organization is known here".to_owned()).hint("ac-cred login ORG"),
        }
    }

    /// The first names, and how many there are besides.
    fn names(&self) -> Option<String> {
        let mut names: Vec<&str> = self
            .organizations
            .keys()
            .take(NAMES_IN_A_MESSAGE)
            .map(Org::as_str)
            .collect();
        let rest = self.organizations.len().saturating_sub(NAMES_IN_A_MESSAGE);
        let rest_in_words = format!("{rest} more");
        if rest > 0 {
            names.push(&rest_in_words);
        }
        (!names.is_empty()).then(|| names.join(", "))
    }
}

/// A parser's message in one line and without the text that it complains of, which may be a secret
/// in the wrong place.
fn without_values(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.rsplit_once(", expected") {
        Some((complaint, expected)) => {
            let kind = complaint.split([':', '`', '"']).next().unwrap_or_default();
            format!("{}, expected{expected}", kind.trim_end())
        }
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"
        [organizations.acme]
        store = "memory"
        pinned_organization = "7A3F0000-0000-4000-8000-000000000001"
        [organizations."b.c"]
        store = "file"
        kind = "api-key"
    "#;

    fn org(name: &str) -> Org {
        Org::parse(name).unwrap()
    }

    #[test]
    fn what_is_left_out_is_appcircles_cloud_and_todays_key() {
        let settings = Settings::parse("[organizations.acme]\nstore = 'file'").unwrap();
        assert_eq!(
            settings.organizations[&org("acme")],
            OrgSettings::new(Store::File)
        );
    }

    #[test]
    fn only_an_organization_of_the_cloud_has_an_mcp_server_without_naming_one() {
        let mut settings = OrgSettings::new(Store::File);
        assert_eq!(settings.mcp_server(), Some("https://mcp.appcircle.io"));
        settings.auth_url = "https://auth.appcircle.io/".into();
        assert_eq!(settings.mcp_server(), Some("https://mcp.appcircle.io"));
        settings.auth_url = "https://auth.example.com".into();
        assert_eq!(settings.mcp_server(), None);
        settings.mcp_url = Some("https://mcp.example.com".into());
        assert_eq!(settings.mcp_server(), Some("https://mcp.example.com"));
    }

    #[test]
    fn a_time_without_use_and_an_end_of_a_credential_are_said_as_people_do() {
        let text =
            "lock_after = '1h 30m'\n[organizations.acme]\nstore = 'file'\nexpires = '2026-09-21'";
        let settings = Settings::parse(text).unwrap();
        assert_eq!(settings.lock_after.map(LockAfter::seconds), Some(5_400));
        let expires = settings.organizations[&org("acme")].expires.unwrap();
        assert_eq!(expires.to_string(), "2026-09-21T00:00:00Z");
        for wrong in [
            "''",
            "'soon'",
            "'0s'",
            "30",
            "'30'",
            "'999999999999999999999y'",
        ] {
            let error = Settings::parse(&format!("lock_after = {wrong}")).unwrap_err();
            assert_eq!(error.line, 1, "{wrong}: {error}");
        }
    }

    #[test]
    fn a_file_of_requests_is_named_by_its_whole_path() {
        let root = if cfg!(windows) { "C:/" } else { "/" };
        let settings = Settings::parse(&format!("audit_file = '{root}audit'")).unwrap();
        assert_eq!(settings.audit_file, Some(format!("{root}audit").into()));
        assert!(Settings::parse("audit_file = 'audit'").is_err());
        assert_eq!(Settings::parse("").unwrap().audit_file, None);
    }

    #[test]
    fn a_wrong_file_is_refused_with_line_and_column() {
        for (text, line, column) in [
            ("default = \n", 1, 11),
            (
                "[organizations.acme]\nstore = \"file\"\nsecret = 'x'\n",
                3,
                1,
            ),
            ("[organizations.acme]\nstore = \"shelf\"\n", 2, 9),
            ("[organizations.acme]\n", 1, 1),
            ("default = '-x'", 1, 11),
            ("[organizations.'a b']\nstore = 'file'", 1, 16),
        ] {
            let error = Settings::parse(text).unwrap_err();
            assert_eq!(
                (error.line, error.column),
                (line, column),
                "{text:?}: {error}"
            );
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_a_value() {
        for (text, said) in [
            ("kind = 'MARKER'", "unknown variant, expected one of"),
            ("allow_http = 'MARKER'", "invalid type, expected a boolean"),
            ("MARKER = 1", "unknown field, expected one of"),
            (
                "auth_url = ['MARKER, expected']",
                "invalid type, expected a string",
            ),
        ] {
            let text = format!("[organizations.acme]\nstore = 'file'\n{text}\n");
            let error = Settings::parse(&text).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("MARKER"), "{error}");
        }
    }

    #[test]
    fn the_named_one_then_the_default_then_the_only_one_is_meant() {
        let mut settings = Settings::parse(TWO).unwrap();
        assert_eq!(
            settings.choose(Some(&org("b.c"))).unwrap().0.as_str(),
            "b.c"
        );
        assert_eq!(
            settings.choose(None).unwrap_err().error,
            ErrorCode::NoOrganizationChosen
        );
        settings.default = Some(org("acme"));
        assert_eq!(settings.choose(None).unwrap().0.as_str(), "acme");
        settings.default = None;
        settings.organizations.remove(&org("b.c"));
        assert_eq!(settings.choose(None).unwrap().0.as_str(), "acme");
    }

    #[test]
    fn an_organization_is_also_found_by_its_guid() {
        let settings = Settings::parse(TWO).unwrap();
        let named = org("7a3f0000-0000-4000-8000-000000000001");
        assert_eq!(settings.choose(Some(&named)).unwrap().0.as_str(), "acme");
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones_and_what_to_type() {
        let denial = Settings::parse(TWO)
            .unwrap()
            .choose(Some(&org("akme")))
            .unwrap_err();
        assert_eq!(
            denial.to_string(),
            "no organization is called akme (known here: acme, b.c); run: ac-cred login akme"
        );
        let none = Settings::default().choose(None).unwrap_err();
        assert_eq!(
            none.to_string(),
            "no organization is known here; run: ac-cred login ORG"
        );
    }

    #[test]
    fn a_long_list_of_names_is_counted() {
        let many: Vec<String> = (10..25)
            .map(|n| format!("[organizations.o{n}]\nstore = 'file'\n"))
            .collect();
        let denial = Settings::parse(&many.concat())
            .unwrap()
            .choose(None)
            .unwrap_err();
        assert!(denial.message.ends_with("o19, 5 more"), "{denial}");
    }
}
