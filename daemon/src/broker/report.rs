//! What the broker tells of itself and of the organizations.

use ac_cred_proto::message::{
    DaemonStatus, Destination, DestinationOf, End, Name, OrganizationStatus, Status, TokenStatus,
};
use ac_cred_proto::settings::{OrgSettings, Settings};
use ac_cred_proto::{Denial, Org, Response};

use crate::broker::{Answer, Broker};
use crate::clock::Now;
use crate::policy::slot::Ended;
use crate::version;

impl Broker {
    pub(crate) fn list(&self) -> Answer {
        answer_of(self.settings.settings().map(|settings| {
            settings
                .organizations
                .keys()
                .map(|org| {
                    Response::Name(Name {
                        organization: org.clone(),
                    })
                })
                .collect()
        }))
    }

    pub(crate) fn status(&self, asked: &Status, now: Now) -> Answer {
        answer_of(self.settings.settings().and_then(|settings| {
            let organizations: Vec<_> = match &asked.organization {
                Some(named) => vec![settings.choose(Some(named))?],
                None => settings.organizations.iter().collect(),
            };
            let rows = organizations.into_iter().map(|(org, known)| {
                Response::Organization(Box::new(self.organization(org, known, settings, now)))
            });
            Ok([self.daemon(now)].into_iter().chain(rows).collect())
        }))
    }

    pub(crate) fn destination(&self, asked: &DestinationOf) -> Answer {
        let found = self.settings.settings().and_then(|settings| {
            let (org, known) = settings.choose(asked.organization.as_ref())?;
            Ok(Response::Destination(Box::new(destination(org, known))))
        });
        Answer::One(found.unwrap_or_else(Response::Denied))
    }

    fn daemon(&self, now: Now) -> Response {
        Response::Daemon(DaemonStatus {
            version: version::number().to_owned(),
            pid: std::process::id(),
            socket: self.identity.socket.clone(),
            uptime: self.identity.started.until(now.moment).0 / 1_000,
            locked: self.tools.stores.file().is_locked(),
        })
    }

    fn organization(
        &self,
        org: &Org,
        known: &OrgSettings,
        settings: &Settings,
        now: Now,
    ) -> OrganizationStatus {
        let slot = self.slots.get(org);
        let held = slot.and_then(|slot| slot.held(now.moment));
        let ended = slot.and_then(|slot| slot.ended());
        let token_names = held.and_then(|held| held.organization_id.as_deref());
        OrganizationStatus {
            organization: org.clone(),
            organization_id: known
                .known_organization()
                .or(token_names)
                .map(str::to_owned),
            default: settings.choose(None).is_ok_and(|(meant, _)| meant == org),
            kind: known.kind,
            store: known.store,
            auth_url: known.auth_url.as_ref().to_owned(),
            api_url: known.api_url.as_ref().to_owned(),
            token: held.map(|held| TokenStatus {
                expires_at: held.expires_at,
                expires_in: held.left(now.moment).whole_seconds(),
                lifetime: held.life().whole_seconds(),
            }),
            last_exchange: ended.map(Ended::told),
            last_error: ended.and_then(|ended| ended.error.as_deref().cloned()),
            credential_expires_at: known.expires,
        }
    }
}

fn destination(org: &Org, known: &OrgSettings) -> Destination {
    Destination {
        organization: org.clone(),
        auth_url: known.auth_url.as_ref().to_owned(),
        api_url: known.api_url.as_ref().to_owned(),
        mcp_url: known.mcp_server().map(str::to_owned),
        ca_file: known.ca_file.as_deref().map(str::to_owned),
        proxy: known.proxy.as_deref().map(str::to_owned),
    }
}

/// A sequence with its end, or a refusal.
fn answer_of(messages: Result<Vec<Response>, Denial>) -> Answer {
    match messages {
        Ok(mut messages) => {
            messages.push(Response::End(End {}));
            Answer::Many(messages)
        }
        Err(denial) => Answer::One(Response::Denied(denial)),
    }
}
