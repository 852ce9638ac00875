//! Whether the servers that organizations need, and the keyring, can be reached: servers are asked
//! for their heads, without a credential.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ac_cred_proto::message::{Check, Checked, End, Server, Step};
use ac_cred_proto::settings::{OrgSettings, Settings, Store};
use ac_cred_proto::{Denial, ErrorCode, Org, Response};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::auth_api::certificate::Certificate;
use crate::auth_api::{AuthApi, Seen};
use crate::broker::job::{self, Finished, Tools, blocking};
use crate::broker::{Answer, Broker, Reply, deny};
use crate::credential_store::keyring::KeyringError;

/// How many servers are looked at at a time: more would cost descriptors that exchanges need.
const AT_ONCE: usize = 16;

/// A server as it is reached.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    server: Server,
    url: Box<str>,
    ca_file: Option<Box<str>>,
    proxy: Option<Box<str>>,
    allow_http: bool,
}

/// Who needs a server: the first organization with its settings, and how many others.
struct Need {
    organization: Org,
    settings: OrgSettings,
    others: u32,
}

impl Broker {
    pub(crate) fn check(&mut self, asked: &Check, reply: Reply) {
        match self.needs(asked) {
            Ok(needs) => {
                let keyring = self.settings.settings().ok().and_then(in_keyring);
                let wait = Duration::from_millis(asked.wait_ms.into());
                self.jobs
                    .spawn(look_at_all(self.tools.clone(), needs, keyring, wait, reply));
            }
            Err(denial) => deny(reply, denial),
        }
    }

    /// The servers, each once however many organizations share it.
    fn needs(&self, asked: &Check) -> Result<BTreeMap<Way, Need>, Denial> {
        let settings = self.settings.settings()?;
        let organizations: Vec<_> = match &asked.organization {
            Some(named) => vec![settings.choose(Some(named))?],
            None => settings.organizations.iter().collect(),
        };
        let mut needs: BTreeMap<Way, Need> = BTreeMap::new();
        for (org, known) in organizations {
            for way in ways(known) {
                needs
                    .entry(way)
                    .and_modify(|need| need.others = need.others.saturating_add(1))
                    .or_insert_with(|| Need {
                        organization: org.clone(),
                        settings: known.clone(),
                        others: 0,
                    });
            }
        }
        Ok(needs)
    }
}

/// The servers that one organization needs.
fn ways(known: &OrgSettings) -> impl Iterator<Item = Way> {
    let urls = [
        (Server::Auth, Some(known.auth_url.as_ref())),
        (Server::Api, Some(known.api_url.as_ref())),
        (Server::Mcp, known.mcp_server()),
    ];
    urls.into_iter().filter_map(|(server, url)| {
        Some(Way {
            server,
            url: url?.into(),
            ca_file: known.ca_file.clone(),
            proxy: known.proxy.clone(),
            allow_http: known.allow_http,
        })
    })
}

/// Looks at every server, and answers when all have been seen or the time is up.
async fn look_at_all(
    tools: Tools,
    needs: BTreeMap<Way, Need>,
    keyring: Option<(Org, u32)>,
    wait: Duration,
    reply: Reply,
) -> Finished {
    let asking = async {
        match keyring {
            Some(keyring) => Some(ask_keyring(&tools, keyring, wait).await),
            None => None,
        }
    };
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut looks = JoinSet::new();
    let mut found = Vec::new();
    for (index, (way, need)) in needs.into_iter().enumerate() {
        found.push(unseen(&way, &need, wait));
        let (api, places) = (Arc::clone(&tools.auth_api), Arc::clone(&places));
        looks.spawn(async move {
            let _place = places.acquire_owned().await;
            (
                index,
                look_at(api, way, need.organization, need.settings).await,
            )
        });
    }
    let all = async {
        while let Some(seen) = looks.join_next().await {
            let Ok((index, seen)) = seen else { continue };
            if let Some(checked) = found.get_mut(index) {
                take_over(checked, seen);
            }
        }
    };
    // Those that were not seen in time are told as such already.
    let (_, keyring) = tokio::join!(timeout(wait, all), asking);
    let found = found
        .into_iter()
        .chain(keyring)
        .map(|found| Response::Checked(Box::new(found)));
    let answers = found.chain([Response::End(End {})]).collect();
    Finished::Answered(reply, Answer::Many(answers))
}

/// Puts what was seen in the place of what was to be seen.
fn take_over(checked: &mut Checked, seen: Result<Seen, (Denial, Option<Step>)>) {
    match seen {
        Ok(seen) => {
            (checked.ahead, checked.problem) = (seen.ahead, None);
            if let Some(Certificate { signer, ends }) = seen.certificate {
                (checked.signer, checked.certificate_ends) = (signer, Some(ends));
            }
        }
        Err((denial, step)) => (checked.problem, checked.step) = (Some(denial), step),
    }
}

/// What is told of a server as long as it has not been seen.
fn unseen(way: &Way, need: &Need, wait: Duration) -> Checked {
    let host = host(&way.url);
    let message = format!("{host} did not answer within {wait:?}");
    Checked {
        server: way.server,
        organization: need.organization.clone(),
        others: need.others,
        problem: Some(Denial::new(ErrorCode::AuthApiUnreachable, message).hint(by_hand(way))),
        host,
        ahead: None,
        step: None,
        signer: None,
        certificate_ends: None,
    }
}

/// Looks at one server, as the Auth API of its organization would be reached if it were there.
async fn look_at(
    api: Arc<dyn AuthApi>,
    way: Way,
    organization: Org,
    mut settings: OrgSettings,
) -> Result<Seen, (Denial, Option<Step>)> {
    settings.auth_url = way.url.clone();
    // Whether a token may go without TLS is for those to say who send it.
    settings.allow_http |= way.server != Server::Auth;
    let named = organization.clone();
    let target = blocking(move || job::target(&named, &settings));
    let target = target.await.map_err(|denial| (denial, None))?;
    api.look(Arc::new(target)).await.map_err(|unseen| {
        let denial = unseen.failure.denial().clone();
        let hint = denial.hint.clone().unwrap_or_else(|| {
            if unseen.step == Some(Step::Tls) {
                format!("ac-cred login {organization} --from {organization} --ca-file FILE")
            } else if way.proxy.is_some() {
                format!("ac-cred login {organization} --from {organization} --proxy URL")
            } else {
                by_hand(&way)
            }
        });
        (denial.hint(hint), unseen.step)
    })
}

/// The organization that the keyring is asked for, and how many others rest there: one of those,
/// or whichever is known.
fn in_keyring(settings: &Settings) -> Option<(Org, u32)> {
    let mut there = settings.organizations.iter();
    let mut there = there
        .by_ref()
        .filter(|(_, known)| known.store == Store::Keyring);
    match there.next() {
        Some((org, _)) => Some((
            org.clone(),
            u32::try_from(there.count()).unwrap_or(u32::MAX),
        )),
        None => settings
            .organizations
            .keys()
            .next()
            .map(|org| (org.clone(), 0)),
    }
}

/// Whether the keyring takes a credential.
async fn ask_keyring(tools: &Tools, (organization, others): (Org, u32), wait: Duration) -> Checked {
    let keyring = tools.stores.keyring();
    let asked = timeout(wait, blocking(move || Ok(keyring.check()))).await;
    let asked = asked.unwrap_or(Ok(Err(KeyringError::Silent)));
    let asked = asked.and_then(|asked| asked.map_err(|error| error.denial(&organization)));
    Checked {
        server: Server::Keyring,
        problem: asked.err(),
        organization,
        others,
        host: "the keyring".to_owned(),
        ahead: None,
        step: None,
        signer: None,
        certificate_ends: None,
    }
}

/// The command by which a person sees what this machine sees.
fn by_hand(way: &Way) -> String {
    format!("curl -I '{}'", way.url.replace('\'', "%27"))
}

/// The host of a URL, with its port.
fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next();
    host.unwrap_or_default().to_owned()
}
