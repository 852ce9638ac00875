//! What the broker has done elsewhere: exchanges, and what reads or writes files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ac_cred_proto::secret::Credential;
use ac_cred_proto::settings::OrgSettings;
use ac_cred_proto::{Denial, ErrorCode, Org};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::auth_api::AuthApi;
use crate::auth_api::target::Target;
use crate::broker::change::Changed;
use crate::broker::login::Proved;
use crate::broker::place::Placed;
use crate::broker::{Answer, Reply};
use crate::credential_store::CredentialStores;
use crate::handover::{Candidate, Relay};
use crate::policy::slot::{Attempt, Failure, Grant};
use crate::private_file::{self, Privacy};

/// The longest file with certificate authorities.
const MAX_CA_FILE: u64 = 4 * 1_024 * 1_024;

/// A credential, and where it is to be exchanged.
pub type Prepared = (Arc<Target>, Credential);

/// The end of a job.
pub enum Finished {
    /// The credential for those who wait for a token has been read from its store.
    Prepared(Attempt, Result<Prepared, Denial>),
    /// An exchange for those who wait for a token.
    Exchanged(Attempt, Result<Grant, Failure>),
    /// The keyring was asked whether it takes the credential of a login.
    Placed(Box<Placed>),
    /// The exchange of a login.
    Proved(Box<Proved>),
    /// A change of stores and settings.
    Changed(Box<Changed>),
    /// An attempt to open the encrypted file.
    Unlocked(Reply, Result<(), Denial>),
    /// What only has to be answered.
    Answered(Reply, Answer),
    /// The start of a successor.
    Started(Result<Box<Candidate>, Denial>),
    /// The handover to it.
    Given(Result<Relay, Denial>),
}

/// What jobs work with.
#[derive(Clone)]
pub struct Tools {
    /// Who exchanges credentials.
    pub auth_api: Arc<dyn AuthApi>,
    /// Where credentials rest.
    pub stores: Arc<CredentialStores>,
    /// Where the settings file is.
    pub settings_path: Arc<Path>,
    /// Changes are made one after the other, in the order in which they were asked for.
    pub turn: Arc<Mutex<()>>,
}

impl Tools {
    /// The tools of one broker.
    #[must_use]
    pub fn new(
        auth_api: Arc<dyn AuthApi>,
        stores: Arc<CredentialStores>,
        settings_path: PathBuf,
    ) -> Self {
        Self {
            auth_api,
            stores,
            settings_path: settings_path.into(),
            turn: Arc::default(),
        }
    }
}

/// Reads the stored credential of an organization.
pub async fn read(
    tools: Tools,
    attempt: Attempt,
    org: Org,
    settings: Box<OrgSettings>,
) -> Finished {
    let prepared = blocking(move || prepare(&tools.stores, &org, &settings));
    Finished::Prepared(attempt, prepared.await)
}

/// Exchanges the credential of an organization.
pub async fn exchange(tools: Tools, attempt: Attempt, (target, credential): Prepared) -> Finished {
    Finished::Exchanged(attempt, grant(tools.auth_api, target, credential).await)
}

/// The result of an exchange, whatever becomes of it: those who wait for one are always answered.
///
/// # Errors
///
/// What the exchange returns, or [`ErrorCode::Internal`] when it panicked.
pub async fn grant(
    api: Arc<dyn AuthApi>,
    target: Arc<Target>,
    credential: Credential,
) -> Result<Grant, Failure> {
    let mut alone = JoinSet::new();
    alone.spawn(async move { api.exchange(target, credential).await });
    let ended = alone.join_next().await.and_then(Result::ok);
    ended.unwrap_or_else(|| {
        let message = "an exchange ended without a result";
        Err(Failure::Here(Denial::new(ErrorCode::Internal, message)))
    })
}

/// Runs what may block on a thread of its own.
///
/// # Errors
///
/// What `work` returns, or [`ErrorCode::Internal`] when it ended without a result.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Denial> + Send + 'static,
) -> Result<T, Denial> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(Denial::new(
            ErrorCode::Internal,
            "a job ended without a result",
        ))
    })
}

/// The credential of an organization, and the target that it is bound to.
fn prepare(
    stores: &CredentialStores,
    org: &Org,
    settings: &OrgSettings,
) -> Result<Prepared, Denial> {
    let target = target(org, settings)?;
    let record = stores.of(settings.store).load(org)?;
    let Some(setting) = record.binding.difference(target.binding()) else {
        return Ok((Arc::new(target), record.credential));
    };
    let message = format!("{setting} of {org} is not what its credential was given for");
    Err(Denial::new(ErrorCode::BindingChanged, message)
        .hint(format!("ac-cred login {org} --from {org}")))
}

/// The settings of an organization as a place to exchange at, with the certificate authorities read.
///
/// # Errors
///
/// A [`Denial`] that names the setting that is wrong.
pub fn target(org: &Org, settings: &OrgSettings) -> Result<Target, Denial> {
    let ca_pem = match settings.ca_file.as_deref() {
        Some(path) => Some(
            private_file::read(Path::new(path), Privacy::Public, MAX_CA_FILE)?
                .0
                .to_vec(),
        ),
        None => None,
    };
    Target::new(settings, ca_pem).map_err(|error| {
        Denial::new(
            ErrorCode::Usage,
            format!("the settings of {org} cannot be used: {error}"),
        )
    })
}
