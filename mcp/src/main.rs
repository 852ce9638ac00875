//! `ac-cred-mcp`: what `ac-cred mcp` and `ac-cred setup` become.

use std::env;
use std::ffi::OsString;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ac_cred::bridge::{self, Chosen, Task, forbid_core_dump};
use ac_cred_mcp::bridge::Bridge;
use ac_cred_mcp::exchange::Exchange;
use ac_cred_mcp::lines;
use ac_cred_mcp::route::{Route, checked};
use ac_cred_mcp::setup;
use ac_cred_proto::{Denial, ErrorCode};

/// Memory is wiped when it is freed, also that of the libraries through which a token passes.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// How long the daemon may take to say where the organization's hosts are.
const DAEMON_WAIT: Duration = Duration::from_secs(3);

/// How long the client may take to read what was written last.
const LAST_WORDS: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    let served = match bridge::task(&words) {
        Ok(Task::Serve(chosen, url)) => serve(chosen, url),
        Ok(Task::SetUp(setup)) => setup::run(&setup),
        Err(code) => return code,
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(denial) => bridge::end(denial),
    }
}

/// Bridges until the client is gone.
fn serve(chosen: Chosen, url: Option<String>) -> Result<(), Denial> {
    if let Some(url) = url.as_deref() {
        verify(&chosen, url)?;
    }
    // Where the system does not allow it, it writes no core dumps of others either. It can still be
    // traced, as the daemon asks the system who it is.
    forbid_core_dump().ok();
    // Another provider can only have been installed by this function.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("the runtime cannot be built"))?;
    let served = runtime.block_on(async {
        let lines = lines::incoming().map_err(system("standard input cannot be read"))?;
        let (output, written) =
            lines::outgoing().map_err(system("standard output cannot be written"))?;
        let end = end().map_err(system("signals cannot be waited for"))?;
        let bridge = Arc::new(Bridge::new(Exchange::new(chosen, url), output));
        bridge.run(lines, end).await;
        // A client that does not read does not keep the process alive.
        tokio::time::timeout(LAST_WORDS, written).await.ok();
        Ok(())
    });
    // Nor does a thread that waits for a name server or the daemon.
    runtime.shutdown_background();
    served
}

/// Refuses a URL that was typed and is none of the organization's, as far as that is known yet.
fn verify(chosen: &Chosen, url: &str) -> Result<(), Denial> {
    checked("--url", url)?;
    let known = chosen
        .named()
        .and_then(|named| bridge::destination(named.as_ref(), DAEMON_WAIT));
    match known {
        Ok(destination) => Route::new(&destination, Some(url)).map(drop),
        // It may become known later; until then no token is there to be sent.
        Err(_) => Ok(()),
    }
}

/// Comes when the system or a person wants an end.
#[cfg(unix)]
fn end() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Comes when a person wants an end.
#[cfg(windows)]
fn end() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}

/// What a person is told when the system refuses `what`.
fn system(what: &str) -> impl FnOnce(io::Error) -> Denial {
    let what = what.to_owned();
    move |error| Denial::new(ErrorCode::Internal, format!("{what}: {error}"))
}
