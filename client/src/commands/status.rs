//! `status`: shows what the daemon knows, or without one what the settings say.

use ac_cred_proto::message::{DaemonStatus, OrganizationStatus, Status};
use ac_cred_proto::settings::{OrgSettings, Settings};
use ac_cred_proto::{Denial, Org, Request, Response};
use serde::Serialize;

use crate::call::{Call, Reach};
use crate::cli::{self, USUAL_WAIT, Which};
use crate::deadline::wall_clock;
use crate::failure::{Failure, visible};
use crate::table::Table;
use crate::words::short_span;
use crate::{organization, output, settings_file};

pub(super) fn run(status: cli::Status, reach: Reach) -> Result<(), Failure> {
    let named = if status.short {
        organization::said(Which {
            argument: status.organization,
            option: None,
        })?
    } else {
        status.organization
    };
    let known = Known::ask(reach, named.as_ref())?;
    if status.json {
        output::json(&known)
    } else if status.short {
        output::text(&known.short())
    } else {
        output::lines(known.table().iter().map(String::as_str))
    }
}

/// Whether an answer belongs to the sequence of a status.
pub(super) fn is_status(response: &Response) -> bool {
    matches!(response, Response::Daemon(_) | Response::Organization(_))
}

/// What is known, as `status --json` prints it.
#[derive(Serialize)]
pub(super) struct Known {
    version: u8,
    /// The daemon, when one runs.
    pub(super) daemon: Option<DaemonStatus>,
    /// The organization that was asked about, or all.
    pub(super) organizations: Vec<OrganizationStatus>,
}

impl Known {
    /// Asks the daemon, or without one the settings, about an organization or all.
    pub(super) fn ask(reach: Reach, named: Option<&Org>) -> Result<Self, Denial> {
        let request = Request::Status(Status {
            organization: named.cloned(),
        });
        Ok(
            match Call::new(reach, USUAL_WAIT).answers(&request, is_status)? {
                Some(responses) => Self::to_daemon(responses),
                None => Self::to_settings(&settings_file::read()?, named)?,
            },
        )
    }

    fn to_daemon(responses: Vec<Response>) -> Self {
        let mut known = Self {
            version: 1,
            daemon: None,
            organizations: Vec::new(),
        };
        for response in responses {
            if let Response::Organization(organization) = response {
                known.organizations.push(*organization);
            } else if let Response::Daemon(daemon) = response {
                known.daemon = Some(daemon);
            }
        }
        known
    }

    fn to_settings(settings: &Settings, named: Option<&Org>) -> Result<Self, Denial> {
        let default = settings.choose(None).ok().map(|(org, _)| org);
        let status = |(org, settings)| from_settings(org, settings, default == Some(org));
        let organizations = match named {
            Some(_) => vec![status(settings.choose(named)?)],
            None => settings.organizations.iter().map(status).collect(),
        };
        Ok(Self {
            version: 1,
            daemon: None,
            organizations,
        })
    }

    /// The default or only organization, with the life its token has left.
    fn short(&self) -> String {
        let is_only = self.organizations.len() == 1;
        let mut organizations = self.organizations.iter();
        match organizations.find(|known| is_only || known.default) {
            None => String::new(),
            Some(known) => match known.token {
                Some(token) => {
                    let life = short_span(token.expires_in.into());
                    format!("{} {life}\n", known.organization)
                }
                None => format!("{}\n", known.organization),
            },
        }
    }

    fn table(&self) -> Vec<String> {
        let table = Table {
            organizations: &self.organizations,
            daemon: self.daemon.as_ref(),
            at: wall_clock(),
        };
        table.lines(output::look())
    }
}

fn from_settings(org: &Org, settings: &OrgSettings, is_default: bool) -> OrganizationStatus {
    OrganizationStatus {
        organization: org.clone(),
        organization_id: settings.known_organization().map(visible),
        default: is_default,
        kind: settings.kind,
        store: settings.store,
        auth_url: settings.auth_url.to_string(),
        api_url: settings.api_url.to_string(),
        token: None,
        last_exchange: None,
        last_error: None,
        credential_expires_at: settings.expires,
    }
}

#[cfg(test)]
mod tests {
    use ac_cred_proto::ErrorCode;
    use ac_cred_proto::message::{LastExchange, Outcome, TokenStatus};
    use ac_cred_proto::time::Timestamp;

    use super::*;

    const TWO: &str = "
        default = 'beta'
        [organizations.acme]
        store = 'file'
        pinned_organization = '7a3f0000-0000-4000-8000-000000000001'
        [organizations.beta]
        store = 'memory'
        kind = 'api-key'
        auth_url = 'https://auth.example.com'
    ";

    fn settings(text: &str) -> Known {
        Known::to_settings(&Settings::parse(text).unwrap(), None).unwrap()
    }

    fn json(known: &Known) -> String {
        serde_json::to_string(known).unwrap()
    }

    #[test]
    fn the_status_in_json_is_as_documented() {
        let mut known = settings("[organizations.acme]\nstore = 'file'");
        known.daemon = Some(DaemonStatus {
            version: "0.1.0".to_owned(),
            pid: 1,
            socket: "/run/user/1000/ac-cred/v1.sock".to_owned(),
            uptime: 12,
            locked: false,
        });
        known.organizations[0].token = Some(TokenStatus {
            expires_at: Timestamp::from_unix(1_790_000_000),
            expires_in: 3540,
            lifetime: 3600,
        });
        known.organizations[0].last_exchange = Some(LastExchange {
            at: Timestamp::from_unix(1_789_996_400),
            outcome: Outcome::Failed(ErrorCode::RateLimited),
        });
        known.organizations[0].credential_expires_at = Some(Timestamp::from_unix(1_800_000_000));
        assert_eq!(
            json(&known),
            concat!(
                r#"{"version":1,"daemon":{"version":"0.1.0","pid":1,"#,
                r#""socket":"/run/user/1000/ac-cred/v1.sock","uptime":12,"locked":false},"#,
                r#""organizations":[{"organization":"acme","organization_id":null,"default":true,"#,
                r#""kind":"personal-access-key","store":"file","#,
                r#""auth_url":"https://auth.appcircle.io","api_url":"https://api.appcircle.io","#,
                r#""token":{"expires_at":"2026-09-21T14:13:20Z","expires_in":3540,"lifetime":3600},"#,
                r#""last_exchange":{"at":"2026-09-21T13:13:20Z","outcome":"rate_limited"},"#,
                r#""last_error":null,"credential_expires_at":"2027-01-15T08:00:00Z"}]}"#
            )
        );
    }

    #[test]
    fn without_a_daemon_the_settings_are_shown() {
        let known = json(&settings(TWO));
        assert!(
            known.starts_with(r#"{"version":1,"daemon":null,"organizations":[{"#),
            "{known}"
        );
        assert!(
            known.contains(
                r#""organization_id":"7a3f0000-0000-4000-8000-000000000001","default":false"#
            ),
            "{known}"
        );
        assert!(known.contains(r#""kind":"api-key","store":"memory""#));
        assert!(known.contains(
            r#""token":null,"last_exchange":null,"last_error":null,"credential_expires_at":null}"#
        ));
        assert_eq!(
            json(&settings("")),
            r#"{"version":1,"daemon":null,"organizations":[]}"#
        );
    }

    #[test]
    fn only_the_named_organization_is_shown() {
        let settings = Settings::parse(TWO).unwrap();
        let acme = Org::parse("acme").unwrap();
        let known = Known::to_settings(&settings, Some(&acme)).unwrap();
        assert_eq!(known.organizations.len(), 1);
        assert_eq!(known.short(), "acme\n");
        let other = Org::parse("other").unwrap();
        let denial = Known::to_settings(&settings, Some(&other)).err().unwrap();
        assert_eq!(denial.error, ErrorCode::UnknownOrganization);
    }

    #[test]
    fn the_short_status_is_the_default_organization_and_its_life() {
        let mut known = settings(TWO);
        assert_eq!(known.short(), "beta\n");
        known.organizations[1].token = Some(TokenStatus {
            expires_at: Timestamp::from_unix(0),
            expires_in: 3540,
            lifetime: 3600,
        });
        assert_eq!(known.short(), "beta 59m\n");
        known.organizations.remove(0);
        known.organizations[0].default = false;
        assert_eq!(known.short(), "beta 59m\n");
        assert_eq!(settings("").short(), "");
        let undecided = "[organizations.a]\nstore='file'\n[organizations.b]\nstore='file'";
        assert_eq!(settings(undecided).short(), "");
    }
}
