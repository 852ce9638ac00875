//! `unlock`: opens the encrypted file of credentials.

use std::path::Path;

use ac_cred_proto::message::{PassphraseNeed, Unlock};
use ac_cred_proto::secret::Passphrase;
use ac_cred_proto::{Denial, ErrorCode, Request};

use super::absolute;
use crate::call::{Call, Reach};
use crate::cli::{self, USUAL_WAIT};
use crate::failure::Failure;
use crate::{output, secret_input};

/// Opens the file with what is said.
pub(super) fn run(unlock: &cli::Unlock, reach: Reach) -> Result<(), Failure> {
    match &unlock.identity {
        Some(identity) => with_identity(identity, false, reach)?,
        None => open(unlock.passphrase_file.as_deref(), reach)?,
    }
    output::note("unlocked");
    Ok(())
}

/// Opens the file with a passphrase that is given, then without one, then with one that is typed.
pub(super) fn open(file: Option<&Path>, reach: Reach) -> Result<(), Denial> {
    let given = secret_input::passphrase_from_file(file)?;
    let may_ask = given.is_none();
    match send(given, PassphraseNeed::Existing, reach) {
        Err(denial) if denial.error == ErrorCode::Locked && may_ask => {
            if !secret_input::is_terminal() {
                return Err(secret_input::no_passphrase(PassphraseNeed::Existing));
            }
            let typed = secret_input::ask_passphrase(PassphraseNeed::Existing)?;
            send(Some(typed), PassphraseNeed::Existing, reach)
        }
        sent => sent,
    }
}

/// Opens the file, or makes it, with an age identity.
pub(super) fn with_identity(file: &Path, create: bool, reach: Reach) -> Result<(), Denial> {
    let request = Request::Unlock(Unlock {
        passphrase: None,
        create,
        identity: Some(absolute("--identity", file)?),
    });
    Call::new(reach, USUAL_WAIT).done(&request)
}

/// Opens the file, or makes it, as a login needs it.
pub(super) fn as_needed(
    need: PassphraseNeed,
    file: Option<&Path>,
    reach: Reach,
) -> Result<(), Denial> {
    if need == PassphraseNeed::Nothing {
        return Ok(());
    }
    let passphrase = match secret_input::passphrase_from_file(file)? {
        Some(passphrase) => passphrase,
        None => secret_input::ask_passphrase(need)?,
    };
    send(Some(passphrase), need, reach)
}

fn send(passphrase: Option<Passphrase>, need: PassphraseNeed, reach: Reach) -> Result<(), Denial> {
    let request = Request::Unlock(Unlock {
        passphrase,
        create: need == PassphraseNeed::New,
        identity: None,
    });
    Call::new(reach, USUAL_WAIT).done(&request)
}
