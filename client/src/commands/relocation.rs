//! `store move`: a credential rests elsewhere.

use ac_cred_proto::message::{LoggedIn, Login, Move, PassphraseNeed, SaidSettings};
use ac_cred_proto::settings::Store;
use ac_cred_proto::{Denial, Request, Response};

use super::{login, unlock};
use crate::call::{Call, Reach, beside_the_question};
use crate::failure::Failure;
use crate::{cli, output, printer};

/// Moves a credential, after the encrypted file was opened if it goes there or comes from there.
pub(super) fn run(wanted: &cli::StoreMove, reach: Reach) -> Result<(), Failure> {
    let command = printer::said(&wanted.command, Some(wanted.to))?;
    let request = |wait_ms| {
        Request::Move(Move {
            organization: Some(wanted.organization.clone()),
            to: wanted.to,
            command: command.clone(),
            wait_ms,
        })
    };
    let send = || {
        let _answered = login::say_when_it_takes_long();
        let answer = Call::new(reach, wanted.wait).answer(request)?;
        let Response::LoggedIn(logged_in) = answer else {
            return Err(beside_the_question());
        };
        Ok(logged_in)
    };
    let file = wanted.passphrase_file.as_deref();
    let unlock = || unlock::as_needed(need(wanted, reach)?, file, reach);
    let moved = login::unlocking(send, unlock)?;
    output::note(&told(&moved));
    Ok(())
}

/// The passphrase that has to be given before a credential can leave or enter the encrypted file.
fn need(wanted: &cli::StoreMove, reach: Reach) -> Result<PassphraseNeed, Denial> {
    if wanted.to != Store::File {
        return Ok(PassphraseNeed::Existing);
    }
    let rehearsal = |wait_ms| {
        Request::Login(Box::new(Login {
            organization: wanted.organization.clone(),
            credential: None,
            from: None,
            settings: SaidSettings {
                store: Some(wanted.to),
                ..SaidSettings::default()
            },
            make_default: false,
            wait_ms,
            command: None,
        }))
    };
    let answer = Call::new(reach, wanted.wait).answer(rehearsal)?;
    let Response::LoginNeeds(needs) = answer else {
        return Err(beside_the_question());
    };
    Ok(needs.passphrase)
}

fn told(moved: &LoggedIn) -> String {
    let place = login::place(moved.store);
    format!("the credential of {} rests {place}", moved.organization)
}
