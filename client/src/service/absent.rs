//! A system whose service manager is not told of the daemon: `ac-cred` starts it when it is needed.

use std::path::Path;
use std::process::Command;

use super::{Keeping, ServiceFile, Setting};

/// What people call it.
pub(crate) const NAME: &str = "a service manager";

/// None.
pub(crate) fn files(_program: &Path, _setting: Setting<'_>) -> Option<[ServiceFile; 0]> {
    None
}

/// There is nothing to tell.
pub(crate) fn know(_at_once: bool) -> Result<(), String> {
    Ok(())
}

/// Never asked for: there is no service.
pub(crate) fn opening() -> String {
    String::new()
}

/// There is nobody to ask.
pub(crate) fn keeping() -> Option<Keeping> {
    None
}

/// There is nothing to let go of.
pub(crate) fn forget() -> Result<(), String> {
    Ok(())
}

/// There was nothing to let go of.
pub(crate) fn forgotten() -> Result<(), String> {
    Ok(())
}

/// Never asked for: there is no service.
pub(crate) fn read_log(_lines: u32) -> Command {
    Command::new("ac-cred")
}
