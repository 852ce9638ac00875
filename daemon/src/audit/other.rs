//! Where the system has no place to look a program up by its process.

/// Nothing.
pub(super) fn program_behind(_pid: u32) -> Option<String> {
    None
}
