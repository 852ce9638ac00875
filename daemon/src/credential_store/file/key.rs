//! What opens the encrypted file: a passphrase, or the identities of an age key file.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use ac_cred_proto::secret::Passphrase;
use age::x25519::Identity;
use age::{DecryptError, Decryptor, scrypt};
use zeroize::Zeroizing;

use crate::credential_store::StoreError;
use crate::private_file::{self, Privacy};

/// scrypt with 2^16 rounds of 1 KiB: 64 MiB and a fraction of a second for each guess.
const WORK_FACTOR: u8 = 16;

/// The hardest file that is opened: 1 GiB of memory; more would let a foreign file exhaust it.
const MAX_WORK_FACTOR: u8 = 20;

/// The longest file with a passphrase or with identities, in bytes.
const MAX_KEY_FILE: u64 = 16 * 1_024;

/// What is wrong with an encrypted file that is none.
const NO_AGE_FILE: &str = "is damaged or no age file";

/// What is wrong with a file of identities that holds another thing.
const NO_IDENTITY: &str = "holds something else than age identities (AGE-SECRET-KEY-1…)";

/// How a file was encrypted, as its header tells anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lockwork {
    /// Under a passphrase.
    Passphrase,
    /// To the recipients of identities.
    Identity,
}

/// What opens a file.
pub(super) enum Key {
    /// A passphrase.
    Passphrase(Passphrase),
    /// The identities of this file, at least one.
    Identities(PathBuf, Vec<Identity>),
}

/// Why a key does not open a file.
pub(super) enum Unopened {
    /// It is another key's.
    WrongKey,
    /// It is nobody's, for this reason.
    Damaged(&'static str),
}

impl Lockwork {
    /// That of an encrypted file, or what is wrong with it.
    pub(super) fn of(encrypted: &[u8]) -> Result<Self, &'static str> {
        let decryptor = Decryptor::new_buffered(encrypted).map_err(|_| NO_AGE_FILE)?;
        let mut lines = encrypted.split(|&byte| byte == b'\n');
        if decryptor.is_scrypt() {
            Ok(Self::Passphrase)
        } else if lines
            .nth(1)
            .is_some_and(|line| line.starts_with(b"-> X25519 "))
        {
            Ok(Self::Identity)
        } else {
            Err("was encrypted neither with a passphrase nor to an age identity")
        }
    }
}

impl Key {
    /// The passphrase in a file of one line.
    pub(super) fn from_passphrase_file(path: &Path) -> Result<Self, StoreError> {
        let wrong = |why| StoreError::PassphraseFile {
            path: path.to_owned(),
            why,
        };
        let (bytes, _) = private_file::read(path, Privacy::Secret, MAX_KEY_FILE)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong("is not UTF-8"))?;
        let line = text.strip_suffix('\n').unwrap_or(text);
        Passphrase::parse(line.strip_suffix('\r').unwrap_or(line))
            .map(Self::Passphrase)
            .map_err(|_| wrong("does not hold one line"))
    }

    /// The identities in a file as `age-keygen` writes it.
    pub(super) fn from_identity_file(path: &Path) -> Result<Self, StoreError> {
        let wrong = |why| StoreError::IdentityFile {
            path: path.to_owned(),
            why,
        };
        let (bytes, _) = private_file::read(path, Privacy::Secret, MAX_KEY_FILE)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong(NO_IDENTITY))?;
        let lines = text.lines().map(str::trim);
        let identities: Result<Vec<Identity>, _> = lines
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| line.parse().map_err(|_| wrong(NO_IDENTITY)))
            .collect();
        match identities? {
            none if none.is_empty() => Err(wrong(NO_IDENTITY)),
            some => Ok(Self::Identities(path.to_owned(), some)),
        }
    }

    /// The identities of several files; one that cannot be read is left out where another can.
    pub(super) fn from_identity_files(paths: &[PathBuf]) -> Result<Self, StoreError> {
        let (mut found, mut refused) = (Vec::new(), None);
        for path in paths {
            match Self::from_identity_file(path) {
                Ok(Self::Identities(_, identities)) => found.extend(identities),
                Ok(Self::Passphrase(_)) => {}
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        match (refused, paths.first()) {
            (Some(error), _) if found.is_empty() => Err(error),
            (_, first) => Ok(Self::Identities(first.cloned().unwrap_or_default(), found)),
        }
    }

    /// How a file is encrypted with it.
    pub(super) fn lockwork(&self) -> Lockwork {
        match self {
            Self::Passphrase(_) => Lockwork::Passphrase,
            Self::Identities(..) => Lockwork::Identity,
        }
    }

    /// The content of an encrypted file.
    pub(super) fn open(&self, encrypted: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        match self {
            Self::Passphrase(passphrase) => {
                let mut identity = scrypt::Identity::new(passphrase.as_secret().clone());
                identity.set_max_work_factor(MAX_WORK_FACTOR);
                opened(encrypted, &[&identity])
            }
            Self::Identities(_, identities) => {
                let each: Vec<&dyn age::Identity> = identities
                    .iter()
                    .map(|one| -> &dyn age::Identity { one })
                    .collect();
                opened(encrypted, &each)
            }
        }
    }

    /// An encrypted file of this content; nothing when it cannot be encrypted.
    pub(super) fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(passphrase.as_secret().clone());
                recipient.set_work_factor(WORK_FACTOR);
                age::encrypt(&recipient, plain).ok()
            }
            Self::Identities(_, identities) => {
                let recipients: Vec<_> = identities.iter().map(Identity::to_public).collect();
                let each = recipients.iter().map(|one| -> &dyn age::Recipient { one });
                let mut encrypted = Vec::new();
                let encryptor = age::Encryptor::with_recipients(each).ok()?;
                let mut writer = encryptor.wrap_output(&mut encrypted).ok()?;
                writer.write_all(plain).ok()?;
                writer.finish().ok()?;
                Some(encrypted)
            }
        }
    }
}

fn opened(
    encrypted: &[u8],
    identities: &[&dyn age::Identity],
) -> Result<Zeroizing<Vec<u8>>, Unopened> {
    let decryptor = Decryptor::new_buffered(encrypted).map_err(|error| why(&error))?;
    let mut reader = decryptor
        .decrypt(identities.iter().copied())
        .map_err(|error| why(&error))?;
    // What is decrypted is shorter, so that no copy is left by a growing buffer.
    let mut plain = Zeroizing::new(Vec::with_capacity(encrypted.len()));
    match reader.read_to_end(&mut plain) {
        Ok(_) => Ok(plain),
        Err(_) => Err(Unopened::Damaged(NO_AGE_FILE)),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "what else age can say comes to the same"
)]
fn why(error: &DecryptError) -> Unopened {
    match error {
        DecryptError::DecryptionFailed | DecryptError::NoMatchingKeys => Unopened::WrongKey,
        DecryptError::ExcessiveWork { .. } => {
            Unopened::Damaged("asks for too much work to be opened")
        }
        _ => Unopened::Damaged(NO_AGE_FILE),
    }
}
