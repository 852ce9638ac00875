//! `ac-credd`: arguments, hardening, endpoint, the word `ready`, then the daemon until its end.

mod arguments;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use ac_cred_proto::endpoint::log_path;
use ac_cred_proto::{Denial, ErrorCode};
use ac_credd::audit::Audit;
use ac_credd::auth_api::HttpsAuthApi;
use ac_credd::broker::{Identity, Parts};
use ac_credd::clock::{Clock, SystemClock};
use ac_credd::course::Course;
use ac_credd::credential_store::CredentialStores;
use ac_credd::handover::{self, Predecessor, Succession};
use ac_credd::helper;
use ac_credd::listener::{self, HandedOver, Listener};
use ac_credd::log_file::{self, LogFile};
use ac_credd::policy::Span;
use ac_credd::settings_file::SettingsFile;
use ac_credd::signals::Signals;
use ac_credd::supervisor::Supervisor;
use ac_credd::{harden, version};
use tokio::sync::watch;
use tracing_subscriber::fmt::MakeWriter;

use arguments::{Arguments, Typed};

/// How long a daemon that somebody else starts when it is needed stays while it holds nothing: longer
/// than a person who is at work pauses, and short enough that none is found the next morning.
const IDLE: Span = Span::seconds(600);

/// How long the file of requests may become before it is begun anew, in bytes: some 20,000 of them.
const AUDITED: u64 = 4 * 1_024 * 1_024;

/// Memory is wiped when it is freed, also that of the libraries through which a secret passes.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    if let Some(ended) = helper::run() {
        return ended;
    }
    let words = || std::env::args_os().skip(1);
    let done = match arguments::read(words()) {
        Ok(Typed::Serve(arguments)) => start(&arguments).map_err(|denial| (denial, 1)),
        Ok(Typed::Print(text)) => {
            // One who does not listen cannot be told that.
            std::io::stdout().write_all(text.as_bytes()).ok();
            Ok(())
        }
        Err(denial) => Err((denial, 2)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err((denial, code)) => {
            report(arguments::is_on_demand(words()), &denial);
            ExitCode::from(code)
        }
    }
}

/// Says why there is no daemon: to a program as JSON in place of `ready`, to a person in words.
fn report(to_program: bool, denial: &Denial) {
    let told = if to_program {
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
    harden::tell_panics_by_place();
    // Before there is a second thread.
    let handed_over = listener::handed_over()?;
    harden::give_up_privileges().map_err(system("the process cannot be hardened"))?;
    if arguments.on_demand {
        harden::leave_session().map_err(system("the caller's session cannot be left"))?;
    } else {
        log_to(std::io::stderr);
    }
    // Another provider can only have been installed by this function.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("the runtime cannot be built"))?;
    let served = runtime.block_on(serve(arguments, handed_over));
    // A thread that waits for a name server or a slow disk does not keep the process alive.
    runtime.shutdown_background();
    served
}

/// From now on, what is worth to know goes there.
fn log_to<W>(writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_writer(writer)
        .with_ansi(false)
        .with_target(false)
        .init();
}

async fn serve(arguments: &Arguments, handed_over: Option<HandedOver>) -> Result<(), Denial> {
    let home = home();
    let stores = CredentialStores::new(
        home.join(".local/share/ac-cred/credentials.age"),
        passphrase_file(),
    )
    .map_err(|error| Denial::new(ErrorCode::Internal, error.to_string()))?;
    let mut settings = SettingsFile::open(home.join(".config/ac-cred/config.toml"));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let audit = audit(&settings, Arc::clone(&clock))?;
    let (listener, predecessor) = match (&arguments.socket, handed_over) {
        (Some(path), _) if arguments.take_over => {
            let (listener, predecessor) = handover::succeed(path, &stores, &mut settings)?;
            (listener, Some(predecessor))
        }
        (_, Some(socket)) => (Listener::adopt(socket)?, None),
        (_, None) => (bind(arguments)?, None),
    };
    let signals = Signals::take().map_err(system("no signals can be taken"))?;
    let parts = Parts {
        auth_api: Arc::new(HttpsAuthApi::new(Arc::clone(&clock))),
        stores: Arc::new(stores),
        settings,
        identity: Identity {
            socket: listener.path().display().to_string(),
            started: clock.now().moment,
        },
        course: watch::Sender::new(Course::On),
        succession: Succession::of(&listener, arguments.for_successor())
            .map_err(system("the program cannot be located"))?,
        inherited: None,
        supervisor: Arc::new(Supervisor::of_environment()),
        idle: arguments
            .idle_exit
            .map(Span::seconds)
            .or_else(|| (arguments.on_demand || listener.is_adopted()).then_some(IDLE)),
        clock,
    };
    go_on(arguments, parts, audit, (listener, predecessor), signals).await
}

/// Where it is noted who asks for what: in the file that the settings name, too.
fn audit(settings: &SettingsFile, clock: Arc<dyn Clock>) -> Result<Audit, Denial> {
    let audit = Audit::new(clock);
    // Of settings that cannot be understood every request is told.
    let said = settings.settings().ok();
    let Some(path) = said.and_then(|settings| settings.audit_file.as_deref()) else {
        return Ok(audit);
    };
    let file = LogFile::open(PathBuf::from(path), AUDITED)?;
    Ok(audit.kept_in(file))
}

/// Serves with everything that is needed for it, until the end.
async fn go_on(
    arguments: &Arguments,
    mut parts: Parts,
    audit: Audit,
    (listener, predecessor): (Listener, Option<Predecessor>),
    mut signals: Signals,
) -> Result<(), Denial> {
    if arguments.on_demand
        && let Ok(file) = LogFile::open(log_path(listener.path()), log_file::UNASKED)
    {
        log_to(Mutex::new(file));
    }
    // The caller who started the daemon may have left; those who come are served all the same.
    writeln!(std::io::stdout(), "ready").ok();
    if arguments.on_demand {
        harden::leave_stdout().map_err(system("the caller's pipe cannot be left"))?;
    }
    let is_waited_for = !arguments.on_demand && !parts.supervisor.is_there();
    parts.supervisor.tell("READY=1");
    let mut arriving = None;
    if let Some(predecessor) = predecessor {
        let acceded = predecessor.accede();
        let (inherited, arrivals) =
            acceded.map_err(system("the daemon before this one is gone"))?;
        parts.inherited = Some(inherited);
        arriving = Some(arrivals);
    }
    tracing::info!(version = version::number(), socket = %listener.path().display(), "listening");
    let heeding = signals.heed(parts.course.clone());
    let successor = ac_credd::run(parts, audit, listener, arriving, heeding).await?;
    tracing::info!("ended");
    let Some(relay) = successor.filter(|_| is_waited_for) else {
        return Ok(());
    };
    // Whoever runs a daemon in the foreground waits for the end of its work.
    let successor = relay.clone();
    let ended = tokio::task::spawn_blocking(move || successor.wait_for_end());
    tokio::pin!(ended);
    loop {
        tokio::select! {
            _ = &mut ended => return Ok(()),
            () = signals.end() => relay.end_successor(),
        }
    }
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
