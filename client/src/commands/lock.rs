//! `lock`: has the daemon drop every secret from its memory.

use ac_cred_proto::Request;
use ac_cred_proto::message::Lock;

use crate::call::{Call, Reach};
use crate::cli::{self, USUAL_WAIT};
use crate::failure::Failure;
use crate::output;

/// Locks the daemon that runs; without one nothing is in memory.
pub(super) fn run(lock: &cli::Lock, reach: Reach) -> Result<(), Failure> {
    let request = Request::Lock(Lock {
        forget_memory: lock.yes,
    });
    let is_locked = Call::new(reach, USUAL_WAIT).done_where_one_runs(&request)?;
    output::note(if is_locked {
        "locked: no secret is in memory until ac-cred unlock"
    } else {
        "no daemon is running, so no secret is in memory"
    });
    Ok(())
}
