//! `store`: changes what opens the encrypted file of credentials.

use std::env;

use ac_cred_proto::message::{ChangePassphrase, PassphraseNeed};
use ac_cred_proto::secret::Passphrase;
use ac_cred_proto::{Denial, ErrorCode, Request};

use super::{absolute, unlock};
use crate::call::{Call, Reach};
use crate::cli::{StorePassphrase, USUAL_WAIT};
use crate::failure::Failure;
use crate::launch::PASSPHRASE_FILE_VARIABLE;
use crate::{output, secret_input};

/// Has another passphrase, or an identity, open the file, which is opened first where it is locked.
pub(super) fn change_passphrase(said: &StorePassphrase, reach: Reach) -> Result<(), Failure> {
    match send(None, None, reach) {
        Err(denial) if denial.error == ErrorCode::Locked => {
            unlock::open(said.passphrase_file.as_deref(), reach)?;
        }
        answered => answered?,
    }
    let identity = said.identity.as_deref();
    let identity = identity
        .map(|file| absolute("--identity", file))
        .transpose()?;
    let passphrase = match (&identity, &said.new_passphrase_file) {
        (Some(_), _) => None,
        (None, Some(file)) => secret_input::passphrase_from_file(Some(file))?,
        (None, None) => Some(ask()?),
    };
    let is_by_identity = identity.is_some();
    send(passphrase, identity, reach)?;
    output::note(if is_by_identity {
        "the identity opens the encrypted file from now on, and the passphrase no longer does"
    } else {
        "the new passphrase opens the encrypted file from now on"
    });
    if env::var_os(PASSPHRASE_FILE_VARIABLE).is_some() {
        output::note(&format!(
            "{PASSPHRASE_FILE_VARIABLE} names a file that a later daemon reads: the new \
             passphrase belongs into it"
        ));
    }
    Ok(())
}

fn ask() -> Result<Passphrase, Denial> {
    secret_input::ask_passphrase(PassphraseNeed::New).map_err(|denial| {
        if denial.error == ErrorCode::Locked {
            let without_terminal = "there is no terminal to ask for the new passphrase";
            Denial::new(ErrorCode::Usage, without_terminal)
                .hint("ac-cred store passphrase --new-passphrase-file FILE")
        } else {
            denial
        }
    })
}

/// Without either it asks whether the file could be changed.
fn send(
    passphrase: Option<Passphrase>,
    identity: Option<String>,
    reach: Reach,
) -> Result<(), Denial> {
    let request = Request::ChangePassphrase(ChangePassphrase {
        passphrase,
        identity,
    });
    Call::new(reach, USUAL_WAIT).done(&request)
}
