//! `login`: brings a credential, which the daemon proves with one exchange and stores.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use ac_cred_proto::argv::Argv;
use ac_cred_proto::message::{LoggedIn, Login, LoginNeeds, PassphraseNeed, SaidSettings};
use ac_cred_proto::secret::Credential;
use ac_cred_proto::settings::{CLOUD_API_URL, Store};
use ac_cred_proto::{Denial, ErrorCode, Org, Request, Response};

use super::{absolute, import, unlock};
use crate::call::{Call, Reach, beside_the_question};
use crate::cli::{self, Import};
use crate::failure::{Failure, usage};
use crate::{output, printer, secret_input};

/// After how long a person is told what is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) fn run(mut said: cli::Login, reach: Reach) -> Result<(), Failure> {
    let organization = organization(&said)?;
    if let Some(Import::AppcircleCli) = said.imported.import {
        import::from_appcircle_cli(&mut said, &organization)?;
    }
    let plan = Plan {
        settings: settings(&said)?,
        command: printer::said(&said.command, said.store)?,
        organization,
        said,
        reach,
    };
    let logged_in = match (&plan.said.from, &plan.command) {
        (None, None) if plan.settings.store == Some(Store::Command) => {
            return Err(printer::missing(&plan.organization).into());
        }
        (None, None) => plan.with_new_credential()?,
        (Some(_), _) | (_, Some(_)) => plan.with_known_credential()?,
    };
    if !plan.said.quiet {
        for line in plan.success(&logged_in) {
            output::note(&line);
        }
    }
    Ok(())
}

/// Where the credential of a login comes from; nothing asks what a login would need.
#[derive(Clone, Copy, Default)]
struct Source<'a> {
    credential: Option<&'a Credential>,
    from: Option<&'a Org>,
    command: Option<&'a Argv>,
}

/// A login as it was typed.
struct Plan {
    organization: Org,
    settings: SaidSettings,
    command: Option<Argv>,
    said: cli::Login,
    reach: Reach,
}

impl Plan {
    /// Asks what is needed before it asks a person for it, so that nobody types a secret in vain.
    fn with_new_credential(&self) -> Result<LoggedIn, Denial> {
        let from_stdin = !secret_input::is_terminal();
        if from_stdin && !self.said.stdin {
            let organization = &self.organization;
            return Err(usage("there is no terminal to ask for the key")
                .hint(format!("ac-cred login {organization} --stdin")));
        }
        let needs = self.rehearse()?;
        self.unlock(needs.passphrase)?;
        let credential = if from_stdin {
            secret_input::credential_from_stdin()?
        } else {
            secret_input::ask_credential(needs.kind, &self.organization)?
        };
        self.send(Source {
            credential: Some(&credential),
            ..Source::default()
        })
    }

    /// With the credential of another organization, or one that a command prints.
    fn with_known_credential(&self) -> Result<LoggedIn, Denial> {
        let source = Source {
            from: self.said.from.as_ref(),
            command: self.command.as_ref(),
            ..Source::default()
        };
        let unlock = || {
            // Where the new record needs no passphrase, the stored one does.
            let need = self.rehearse().map(|needs| needs.passphrase);
            let need = need.ok().filter(|&need| need != PassphraseNeed::Nothing);
            self.unlock(need.unwrap_or(PassphraseNeed::Existing))
        };
        unlocking(|| self.send(source), unlock)
    }

    fn rehearse(&self) -> Result<LoginNeeds, Denial> {
        let call = Call::new(self.reach, self.said.wait);
        let request = |wait_ms| self.request(Source::default(), wait_ms);
        let Response::LoginNeeds(needs) = call.answer(request)? else {
            return Err(beside_the_question());
        };
        Ok(needs)
    }

    fn unlock(&self, need: PassphraseNeed) -> Result<(), Denial> {
        match &self.said.identity {
            Some(identity) => unlock::with_identity(identity, true, self.reach),
            None => unlock::as_needed(need, self.said.passphrase_file.as_deref(), self.reach),
        }
    }

    fn send(&self, source: Source<'_>) -> Result<LoggedIn, Denial> {
        let _answered = say_when_it_takes_long();
        let call = Call::new(self.reach, self.said.wait);
        let request = |wait_ms| self.request(source, wait_ms);
        let Response::LoggedIn(logged_in) = call.answer(request)? else {
            return Err(beside_the_question());
        };
        Ok(logged_in)
    }

    fn request(&self, source: Source<'_>, wait_ms: u32) -> Request {
        Request::Login(Box::new(Login {
            organization: self.organization.clone(),
            credential: source.credential.cloned(),
            from: source.from.cloned(),
            settings: self.settings.clone(),
            make_default: self.said.default,
            wait_ms,
            command: source.command.cloned(),
        }))
    }

    fn success(&self, logged_in: &LoggedIn) -> Vec<String> {
        let organization = &logged_in.organization;
        let id = match &logged_in.organization_id {
            Some(id) => format!(" (organization {id})"),
            None => String::new(),
        };
        let place = place(logged_in.store);
        let mut lines = vec![format!(
            "logged in to {organization}{id}; the credential rests {place}"
        )];
        let is_cloud = logged_in.api_url.trim_end_matches('/') == CLOUD_API_URL;
        if self.said.auth_url.is_some() && self.said.api_url.is_none() && is_cloud {
            lines.push(format!(
                "the API is {CLOUD_API_URL}; where Appcircle is self-hosted, say --api-url as well"
            ));
        }
        if let Some(why) = &logged_in.settings_not_saved {
            lines.push(format!("the settings last until the daemon stops: {why}"));
        }
        lines
    }
}

/// Where a credential rests, for people.
pub(super) fn place(store: Store) -> &'static str {
    match store {
        Store::Keyring => "in the keyring",
        Store::File => "in the encrypted file",
        Store::Command => "nowhere: its command is run when it is needed",
        Store::Memory => "in the daemon's memory, until it stops",
    }
}

/// Asks, and once more after the encrypted file was opened where that is what helps: a keyring
/// that is locked is opened elsewhere, and its refusal names no command.
pub(super) fn unlocking<T>(
    ask: impl Fn() -> Result<T, Denial>,
    unlock: impl FnOnce() -> Result<(), Denial>,
) -> Result<T, Denial> {
    match ask() {
        Err(denial) if is_for_unlock(&denial) => {
            unlock()?;
            ask()
        }
        answered => answered,
    }
}

fn is_for_unlock(denial: &Denial) -> bool {
    denial.error == ErrorCode::Locked && denial.hint.as_deref() == Some("ac-cred unlock")
}

/// The name of the organization; a person who has not typed one is asked.
fn organization(said: &cli::Login) -> Result<Org, Denial> {
    match &said.organization {
        Some(organization) => Ok(organization.clone()),
        None if secret_input::is_terminal() => secret_input::ask_organization(),
        None => Err(usage("the name of the organization is missing").hint("ac-cred login ORG")),
    }
}

fn settings(said: &cli::Login) -> Result<SaidSettings, Denial> {
    let store = said.store.or(said.identity.as_ref().map(|_| Store::File));
    if said.identity.is_some() && store != Some(Store::File) {
        return Err(usage("--identity is for --store file"));
    }
    let ca_file = said.ca_file.as_deref();
    let ca_file = ca_file
        .map(|file| absolute("--ca-file", file))
        .transpose()?;
    Ok(SaidSettings {
        kind: said.kind,
        store,
        auth_url: said.auth_url.clone(),
        api_url: said.api_url.clone(),
        mcp_url: said.mcp_url.clone(),
        name: said.name.clone(),
        organization_id: said.organization_id.clone(),
        sub_organization: said.sub_organization.clone(),
        endpoint_version: said.endpoint_version,
        ca_file,
        proxy: said.proxy.clone(),
        allow_http: said.allow_http,
        expires: said.expires,
    })
}

/// Tells a person what is waited for, once, unless the answer comes soon; the wait ends with what
/// is returned.
pub(super) fn say_when_it_takes_long() -> Sender<()> {
    let (answered, answer) = mpsc::channel();
    if output::tells_a_terminal() {
        let wait = move || {
            if answer.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                output::note("waiting for the Auth API…");
            }
        };
        // Without a thread the wait is a silent one.
        thread::Builder::new().spawn(wait).ok();
    }
    answered
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn plan(words: &[&str]) -> Plan {
        let cli = Cli::try_parse_from([&["ac-cred", "login", "acme"], words].concat()).unwrap();
        let Command::Login(said) = cli.command else {
            panic!("not a login");
        };
        Plan {
            organization: organization(&said).unwrap(),
            settings: settings(&said).unwrap(),
            command: None,
            said: *said,
            reach: Reach {
                starts: false,
                repeats: false,
                becomes_another: false,
            },
        }
    }

    fn logged_in(store: Store, api_url: &str) -> LoggedIn {
        LoggedIn {
            organization: Org::parse("acme").unwrap(),
            organization_id: Some("7a3f0000-0000-4000-8000-000000000001".to_owned()),
            store,
            api_url: api_url.to_owned(),
            expires_in: 3600,
            settings_not_saved: None,
        }
    }

    #[test]
    fn a_login_tells_where_the_credential_rests() {
        assert_eq!(
            plan(&[]).success(&logged_in(Store::File, CLOUD_API_URL)),
            [
                "logged in to acme (organization 7a3f0000-0000-4000-8000-000000000001); the credential rests in the encrypted file"
            ]
        );
        let unknown = LoggedIn {
            organization_id: None,
            ..logged_in(Store::Memory, CLOUD_API_URL)
        };
        assert_eq!(
            plan(&[]).success(&unknown),
            ["logged in to acme; the credential rests in the daemon's memory, until it stops"]
        );
    }

    #[test]
    fn a_self_hosted_auth_api_with_the_clouds_api_is_told() {
        let words = ["--auth-url", "https://auth.example.com"];
        let told = plan(&words).success(&logged_in(Store::File, "https://api.appcircle.io/"));
        assert!(told[1].contains("--api-url"), "{told:?}");
        let told = plan(&words).success(&logged_in(Store::File, "https://api.example.com"));
        assert_eq!(told.len(), 1, "{told:?}");
    }

    #[test]
    fn settings_that_are_not_saved_are_told() {
        let logged_in = LoggedIn {
            settings_not_saved: Some("the file system is read-only".to_owned()),
            ..logged_in(Store::Memory, CLOUD_API_URL)
        };
        assert_eq!(
            plan(&[]).success(&logged_in)[1],
            "the settings last until the daemon stops: the file system is read-only"
        );
    }

    #[test]
    fn what_is_not_said_is_not_sent() {
        assert_eq!(
            serde_json::to_value(plan(&[]).settings).unwrap(),
            serde_json::to_value(SaidSettings::default()).unwrap()
        );
        let settings = plan(&["--allow-http", "--ca-file", "ca.pem"]).settings;
        assert_eq!(settings.allow_http, Some(true));
        assert!(Path::new(&settings.ca_file.unwrap()).is_absolute());
        assert_eq!(
            plan(&["--allow-http=false"]).settings.allow_http,
            Some(false)
        );
    }
}
