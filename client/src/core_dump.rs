//! Keeps what is in this process's memory off disks.

use std::io;

/// Has the system write no picture of this process's memory when it ends badly.
///
/// # Errors
///
/// What the system says where it does not allow that.
#[cfg(unix)]
pub fn forbid() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    Ok(setrlimit(Resource::Core, none)?)
}

/// Does nothing: Windows writes such a picture for an administrator who asked for it alone.
///
/// # Errors
///
/// None.
#[cfg(windows)]
pub fn forbid() -> io::Result<()> {
    Ok(())
}
