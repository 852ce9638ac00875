//! `ac-credd`: arguments, hardening, endpoint, the word `ready`, then the daemon until its end.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use ac_cred_proto::{Denial, ErrorCode};
use ac_credd::auth_api::HttpsAuthApi;
use ac_credd::broker::{Identity, Parts};
use ac_credd::clock::{Clock, SystemClock};
use ac_credd::credential_store::CredentialStores;
use ac_credd::harden;
use ac_credd::helper;
use ac_credd::listener::{self, Listener};
use ac_credd::settings_file::SettingsFile;
use clap::Parser;
use tokio::sync::watch;

/// Memory is wiped when it is freed, also that of the libraries through which a secret passes.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// Holds Appcircle credentials and hands out session tokens to `ac-cred`.
///
/// `ac-cred` starts it when it is needed; `ac-cred daemon run` runs it in the foreground.
/// It prints the line `ready` once it takes callers, and ends on SIGTERM, on SIGINT and on
/// `ac-cred daemon stop`.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Arguments {
    /// Listen at PATH instead of where `ac-cred` looks first.
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Leave the caller's session, and print nothing after the line `ready` or one that says what
    /// went wrong.
    #[arg(long)]
    on_demand: bool,
}

fn main() -> ExitCode {
    if let Some(ended) = helper::run() {
        return ended;
    }
    let arguments = Arguments::parse();
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(denial) => {
            report(&arguments, &denial);
            ExitCode::FAILURE
        }
    }
}

/// Says why there is no daemon: to a program as JSON in place of `ready`, to a person in words.
fn report(arguments: &Arguments, denial: &Denial) {
    let told = if arguments.on_demand {
        let line = serde_json::to_string(denial).unwrap_or_default();
        writeln!(std::io::stdout(), "{line}")
    } else {
        writeln!(std::io::stderr(), "ac-credd: {denial}")
    };
    // One who does not listen cannot be told that.
    told.ok();
}

/// What a person is told when the system refuses `what`.
fn system(what: &str) -> impl FnOnce(std::io::Error) -> Denial {
    let what = what.to_owned();
    move |error| Denial::new(ErrorCode::Internal, format!("{what}: {error}"))
}

fn start(arguments: &Arguments) -> Result<(), Denial> {
    harden::leave_environment().map_err(system("the program cannot be started anew"))?;
    harden::give_up_privileges().map_err(system("the process cannot be hardened"))?;
    if arguments.on_demand {
        harden::leave_session().map_err(system("the caller's session cannot be left"))?;
    } else {
        tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .with_target(false)
            .init();
    }
    // Another provider can only have been installed by this function.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("the runtime cannot be built"))?;
    let served = runtime.block_on(serve(arguments));
    // A thread that waits for a name server or a slow disk does not keep the process alive.
    runtime.shutdown_background();
    served
}

async fn serve(arguments: &Arguments) -> Result<(), Denial> {
    let listener = bind(arguments)?;
    let (shutdown, at_once) = signals(&listener)?;
    let parts = parts(&listener, shutdown)?;
    // The caller who started the daemon may have left; those who come are served all the same.
    writeln!(std::io::stdout(), "ready").ok();
    if arguments.on_demand {
        harden::leave_stdout().map_err(system("the caller's pipe cannot be left"))?;
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), socket = %listener.path().display(), "listening");
    ac_credd::run(parts, listener, at_once).await;
    tracing::info!("ended");
    Ok(())
}

/// Takes the endpoint that was said, or the first that can be had.
fn bind(arguments: &Arguments) -> Result<Listener, Denial> {
    if let Some(path) = &arguments.socket {
        return Listener::bind(path);
    }
    let mut first_refusal = None;
    for path in listener::find()? {
        match Listener::bind(&path) {
            Ok(listener) => return Ok(listener),
            Err(denial) => first_refusal = first_refusal.or(Some(denial)),
        }
    }
    Err(first_refusal.unwrap_or_else(|| {
        Denial::new(
            ErrorCode::DaemonUnreachable,
            "there is no place for a socket",
        )
    }))
}

fn parts(listener: &Listener, shutdown: watch::Sender<bool>) -> Result<Parts, Denial> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let home = home();
    let stores = CredentialStores::new(
        home.join(".local/share/ac-cred/credentials.age"),
        passphrase_file(),
    )
    .map_err(|error| Denial::new(ErrorCode::Internal, error.to_string()))?;
    Ok(Parts {
        auth_api: Arc::new(HttpsAuthApi::new(Arc::clone(&clock))),
        stores: Arc::new(stores),
        settings: SettingsFile::open(home.join(".config/ac-cred/config.toml")),
        identity: Identity {
            socket: listener.path().display().to_string(),
            started: clock.now().moment,
        },
        shutdown,
        clock,
    })
}

/// `HOME` where it is an absolute path, else what the password database says; without either a
/// place that cannot be written, so that everything lives in memory.
fn home() -> PathBuf {
    let said = std::env::var_os("HOME")
        .map(PathBuf::from)
        .filter(|home| home.is_absolute());
    said.or_else(std::env::home_dir)
        .unwrap_or_else(|| PathBuf::from("/nonexistent"))
}

/// The file that the user or the service manager named for the passphrase.
fn passphrase_file() -> Option<PathBuf> {
    let said = std::env::var_os("AC_CRED_PASSPHRASE_FILE").map(PathBuf::from);
    let handed_over = || {
        let directory = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from)?;
        Some(directory.join("ac-cred-passphrase")).filter(|path| path.exists())
    };
    said.or_else(handed_over)
}

/// The first SIGTERM or SIGINT ends the daemon when the answers under way are given, the second at
/// once; SIGHUP does nothing, as the settings are read again by themselves.
#[cfg(unix)]
fn signals(
    _listener: &Listener,
) -> Result<(watch::Sender<bool>, impl Future<Output = ()> + use<>), Denial> {
    use tokio::signal::unix::{SignalKind, signal};
    let system = |error: std::io::Error| {
        Denial::new(
            ErrorCode::Internal,
            format!("no signals can be taken: {error}"),
        )
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(system)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(system)?;
    let (shutdown, _) = watch::channel(false);
    let ends = shutdown.clone();
    let at_once = async move {
        let mut received = 0;
        while received < 2 {
            tokio::select! {
                _ = terminate.recv() => received += 1,
                _ = interrupt.recv() => received += 1,
                _ = hang_up.recv() => {}
            }
            if received == 1 {
                ends.send_replace(true);
            }
        }
    };
    Ok((shutdown, at_once))
}

/// Ctrl-C ends the daemon when the answers under way are given.
#[cfg(not(unix))]
fn signals(
    _listener: &Listener,
) -> Result<(watch::Sender<bool>, impl Future<Output = ()> + use<>), Denial> {
    let (shutdown, _) = watch::channel(false);
    let ends = shutdown.clone();
    let at_once = async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            ends.send_replace(true);
        }
        std::future::pending().await
    };
    Ok((shutdown, at_once))
}
