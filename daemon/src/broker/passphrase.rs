//! What opens the encrypted file: given by a caller, and changed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ac_cred_proto::message::{ChangePassphrase, Done, EventKind, Unlock};
use ac_cred_proto::{Denial, ErrorCode, Response};

use crate::broker::job::{Finished, Tools, blocking};
use crate::broker::{Answer, Broker, Reply, answer, deny};
use crate::credential_store::file::{FileStore, NewKey};

/// After this many wrong passphrases in a row the delay grows no further.
const WRONG_PASSPHRASES: u32 = 5;

/// Half the delay after the first wrong passphrase, in milliseconds.
const PASSPHRASE_DELAY_MS: u64 = 250;

impl Broker {
    pub(crate) fn unlock(&mut self, unlock: Unlock, reply: Reply) {
        self.jobs
            .spawn(open_store(self.tools.clone(), unlock, reply));
    }

    pub(crate) fn unlocked(&mut self, reply: Reply, opened: Result<(), Denial>) {
        match opened {
            Ok(()) => {
                self.tell(EventKind::Unlocked, None);
                // What was locked when it was to be mended can be now.
                self.mend();
                answer(reply, Answer::One(Response::Done(Done {})));
            }
            Err(denial) => deny(reply, denial),
        }
    }

    pub(crate) fn change_passphrase(&mut self, change: ChangePassphrase, reply: Reply) {
        self.jobs
            .spawn(change_key(self.tools.clone(), change, reply));
    }
}

/// Opens the encrypted file; who gives a wrong passphrase waits longer each time.
async fn open_store(tools: Tools, unlock: Unlock, reply: Reply) -> Finished {
    let opened = in_turn(&tools, move |file| open(file, unlock)).await;
    let wrong = tools
        .stores
        .file()
        .note_attempt(opened.is_ok())
        .min(WRONG_PASSPHRASES);
    if wrong > 0 {
        tokio::time::sleep(Duration::from_millis(PASSPHRASE_DELAY_MS << wrong)).await;
    }
    Finished::Unlocked(reply, opened)
}

async fn change_key(tools: Tools, change: ChangePassphrase, reply: Reply) -> Finished {
    let changed = in_turn(&tools, move |file| match new_key(change)? {
        Some(new) => Ok(file.change_key(&new)?),
        None => Ok(file.check_open()?),
    });
    answered(reply, changed.await)
}

/// Works on the encrypted file when the turn has come.
async fn in_turn(
    tools: &Tools,
    work: impl FnOnce(&FileStore) -> Result<(), Denial> + Send + 'static,
) -> Result<(), Denial> {
    let stores = Arc::clone(&tools.stores);
    let _turn = tools.turn.lock().await;
    blocking(move || work(stores.file())).await
}

fn answered(reply: Reply, done: Result<(), Denial>) -> Finished {
    let response = done.map_or_else(Response::Denied, |()| Response::Done(Done {}));
    Finished::Answered(reply, Answer::One(response))
}

fn open(file: &FileStore, unlock: Unlock) -> Result<(), Denial> {
    match (unlock.passphrase, unlock.identity) {
        (passphrase, None) => Ok(file.unlock(passphrase, unlock.create)?),
        (None, Some(path)) => Ok(file.unlock_with_identity(&absolute(path)?, unlock.create)?),
        (Some(_), Some(_)) => Err(one_of_both()),
    }
}

fn new_key(change: ChangePassphrase) -> Result<Option<NewKey>, Denial> {
    match (change.passphrase, change.identity) {
        (None, None) => Ok(None),
        (Some(passphrase), None) => Ok(Some(NewKey::Passphrase(passphrase))),
        (None, Some(path)) => Ok(Some(NewKey::IdentityFile(absolute(path)?))),
        (Some(_), Some(_)) => Err(one_of_both()),
    }
}

/// The path of an identity file; it is remembered in one line.
fn absolute(path: String) -> Result<PathBuf, Denial> {
    let is_one_line = !path.contains(char::is_control);
    let path = PathBuf::from(path);
    if path.is_absolute() && is_one_line {
        return Ok(path);
    }
    let message = "the path of the identity file is not an absolute one";
    Err(Denial::new(ErrorCode::Usage, message))
}

fn one_of_both() -> Denial {
    let message = "either a passphrase or an identity file opens the encrypted file";
    Denial::new(ErrorCode::Usage, message)
}
