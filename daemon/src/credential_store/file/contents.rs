//! What is inside the encrypted file, as JSON:
//! `{"version":1,"credentials":{"acme":{"secret":"…","bound_to":{…}}}}`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use ac_cred_proto::Org;
use ac_cred_proto::secret::Credential;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::auth_api::target::Binding;
use crate::credential_store::{Record, SealedRecords, StoreError};
use crate::shield::Shield;

const FORMAT_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents<'a> {
    version: u32,
    #[serde(borrow)]
    credentials: BTreeMap<Org, Entry<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    #[serde(borrow)]
    secret: Cow<'a, str>,
    bound_to: Binding,
}

/// Why contents were not read or written.
pub enum Unusable {
    /// They are not of this version of ac-cred, or no credentials.
    Damaged(&'static str),
    /// A secret in memory was damaged.
    Store(StoreError),
}

impl Unusable {
    /// The same of the file that they are of.
    pub(super) fn of(self, path: &Path) -> StoreError {
        match self {
            Self::Damaged(why) => StoreError::Damaged {
                path: path.to_owned(),
                why,
            },
            Self::Store(error) => error,
        }
    }
}

/// Reads contents, and seals their secrets.
pub(super) fn parse(plain: &[u8], shield: &Shield) -> Result<SealedRecords, Unusable> {
    let mut records = SealedRecords::default();
    read(plain, |org, record| records.save(shield, org, record))?;
    Ok(records)
}

/// Reads contents, and hands over each record until one is not kept.
///
/// # Errors
///
/// [`Unusable`]; the records before what is wrong have been handed over.
pub fn read(
    plain: &[u8],
    mut keep: impl FnMut(&Org, &Record) -> Result<(), StoreError>,
) -> Result<(), Unusable> {
    let contents: Contents<'_> = serde_json::from_slice(plain)
        .map_err(|_| Unusable::Damaged("holds no credentials of this version of ac-cred"))?;
    if contents.version != FORMAT_VERSION {
        return Err(Unusable::Damaged(
            "was written by another version of ac-cred",
        ));
    }
    for (org, entry) in contents.credentials {
        let credential = Credential::parse(&entry.secret)
            .map_err(|_| Unusable::Damaged("holds what is no credential"))?;
        let record = Record {
            credential,
            binding: entry.bound_to,
            command: None,
        };
        keep(&org, &record).map_err(Unusable::Store)?;
    }
    Ok(())
}

/// Writes contents into a buffer that is wiped.
pub(super) fn write(
    records: &SealedRecords,
    shield: &Shield,
) -> Result<Zeroizing<Vec<u8>>, Unusable> {
    let mut opened = Vec::with_capacity(records.0.len());
    for (org, record) in &records.0 {
        let (sealed, binding) = &**record;
        let secret = shield
            .open(sealed)
            .map_err(|error| Unusable::Store(error.into()))?;
        opened.push((org, secret, binding));
    }
    let credentials = opened.iter().map(|(org, secret, binding)| {
        let entry = Entry {
            secret: Cow::Borrowed(secret.as_str()),
            bound_to: (*binding).clone(),
        };
        ((*org).clone(), entry)
    });
    let contents = Contents {
        version: FORMAT_VERSION,
        credentials: credentials.collect(),
    };
    serde_json::to_vec(&contents)
        .map(Zeroizing::new)
        .map_err(|_| Unusable::Damaged("cannot be written as JSON"))
}
