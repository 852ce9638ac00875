//! Whether the process was started with its stdout closed.
//!
//! The standard library opens `/dev/null` in place of a closed stdout before `main`, and what is
//! written there would look like a success; so the question is asked earlier.

#[cfg(unix)]
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(unix)]
static CLOSED: AtomicBool = AtomicBool::new(false);

#[cfg(unix)]
ctor::declarative::ctor! {
    #[ctor(unsafe)]
    fn ask_before_main() {
        let answer = rustix::io::fcntl_getfd(rustix::stdio::stdout());
        CLOSED.store(answer == Err(rustix::io::Errno::BADF), Ordering::Relaxed);
    }
}

/// Whether nothing that is written to stdout reaches anybody.
#[cfg(unix)]
pub(crate) fn was_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// Whether nothing that is written to stdout reaches anybody; a write fails by itself here.
#[cfg(windows)]
pub(crate) fn was_closed() -> bool {
    false
}
