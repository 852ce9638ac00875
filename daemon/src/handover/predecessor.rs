//! The successor: it takes everything over from the daemon that has started it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use ac_cred_proto::settings::OrgSettings;
use ac_cred_proto::{Denial, Org};
use data_encoding::BASE64;
use interprocess::local_socket::tokio::Stream;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::credential_store::{CredentialStore as _, CredentialStores, Record};
use crate::handover::system::{PATIENCE, Passenger};
use crate::handover::wire::Wire;
use crate::handover::words::{DaemonState, HeldCredential, Moved, Nothing, Ready, Said, Told};
use crate::handover::{Estate, Inherited, not_replaced};
use crate::listener::Listener;
use crate::policy::slot::{Attempt, Failure, Grant};
use crate::server::Unanswered;
use crate::settings_file::SettingsFile;
use crate::{Arrival, harden, version};

/// The most messages of which a state is made: some ten thousand organizations.
const MAX_MESSAGES: usize = 200_000;

/// The daemon before this one, whose state is taken.
#[derive(Debug)]
pub struct Predecessor {
    estate: Estate,
    wire: Wire,
}

/// Takes over from the daemon that has started this program, with the pair as standard input.
///
/// # Errors
///
/// A [`Denial`] when there is no daemon at the other end, or what it holds cannot be taken.
pub fn succeed(
    path: &Path,
    stores: &CredentialStores,
    settings: &mut SettingsFile,
) -> Result<(Listener, Predecessor), Denial> {
    let unusable = |error: io::Error| not_replaced(format!("no daemon hands over: {error}"));
    let pair = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3);
    let pair = pair.map_err(|error| unusable(error.into()))?;
    harden::leave_stdin().map_err(unusable)?;
    let mut wire = Wire::from(UnixStream::from(pair));
    wire.set_patience(Some(PATIENCE)).map_err(unusable)?;
    let ready = Ready {
        version: version::number().to_owned(),
    };
    wire.send(&Said::Ready(ready), &[]).map_err(unusable)?;
    // The daemon waits for what is being written before it goes on.
    wire.set_patience(None).map_err(unusable)?;
    let state = State::receive(&mut wire).map_err(unusable)?;
    for held in state.credentials {
        let record = Record {
            credential: held.credential,
            binding: held.bound_to,
            command: None,
        };
        stores.memory().save(&held.organization, &record)?;
    }
    stores.file().resume(
        state.daemon.passphrase.clone(),
        state.daemon.is_shut,
        state.daemon.wrong_passphrases,
    )?;
    settings.resume(state.daemon.default.as_ref(), state.settings);
    let handles = (state.socket, state.lock);
    let listener = Listener::succeed(handles, path, state.daemon.owns_socket)?;
    let estate = state.estate;
    Ok((listener, Predecessor { estate, wire }))
}

/// What a daemon tells its successor.
struct State {
    daemon: Box<DaemonState>,
    socket: OwnedFd,
    lock: OwnedFd,
    settings: Vec<(Org, OrgSettings)>,
    credentials: Vec<HeldCredential>,
    estate: Estate,
}

impl State {
    fn receive(wire: &mut Wire) -> io::Result<Self> {
        let Some(Told::Daemon(daemon)) = wire.receive()? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let mut state = Self {
            socket: wire.descriptor()?,
            lock: wire.descriptor()?,
            settings: Vec::new(),
            credentials: Vec::new(),
            estate: Estate {
                last_number: daemon.last_number,
                last_used: daemon.last_used,
                warned: daemon.warned.clone(),
                ..Estate::default()
            },
            daemon,
        };
        for _ in 0..MAX_MESSAGES {
            match wire.receive()?.ok_or(io::ErrorKind::UnexpectedEof)? {
                Told::Settings(unsaved) => {
                    let settings = (unsaved.organization, *unsaved.settings);
                    state.settings.push(settings);
                }
                Told::Credential(held) => state.credentials.push(held),
                Told::Slot(held) => state.estate.slots.push((held.organization, held.slot)),
                Told::UnderWay(exchange) => {
                    let under_way = (exchange.attempt, exchange.organization);
                    state.estate.under_way.push(under_way);
                }
                Told::Whole(_) => return Ok(state),
                Told::Daemon(_) | Told::Connection(_) | Told::Exchanged(_) | Told::Audited(_) => {
                    break;
                }
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }
}

impl Predecessor {
    /// Tells it that this process serves, and takes what it still hands over: ends of exchanges, and
    /// connections.
    ///
    /// # Errors
    ///
    /// What the system says when it is gone.
    pub fn accede(self) -> io::Result<(Inherited, mpsc::UnboundedReceiver<Arrival>)> {
        let Self { estate, mut wire } = self;
        wire.send(&Said::Serving(Nothing {}), &[])?;
        let (arrive, arriving) = mpsc::unbounded_channel();
        let (end, exchanged) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Handle::current();
        std::thread::spawn(move || {
            let _entered = runtime.enter();
            while let Ok(Some(told)) = wire.receive()
                && pass_on(&mut wire, told, &arrive, &end)
            {}
        });
        Ok((Inherited { estate, exchanged }, arriving))
    }
}

fn arrival(wire: &mut Wire, moved: &Moved) -> io::Result<Arrival> {
    let stream = Stream::try_from(Passenger(wire.descriptor()?))?;
    let unread = BASE64.decode(moved.unread.as_bytes());
    let unread = unread.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    let unanswered = Unanswered {
        bytes: Zeroizing::new(unread),
        asked: moved.asked,
    };
    Ok(Arrival::Connection(stream, unanswered))
}

/// Passes on what has come; `false` when it is nothing that comes after the state.
fn pass_on(
    wire: &mut Wire,
    told: Told,
    arrive: &mpsc::UnboundedSender<Arrival>,
    end: &mpsc::UnboundedSender<(Attempt, Result<Grant, Failure>)>,
) -> bool {
    match told {
        Told::Connection(moved) => {
            // A connection that cannot be taken is closed.
            if let Ok(arrival) = arrival(wire, &moved) {
                arrive.send(arrival).ok();
            }
            true
        }
        Told::Audited(entry) => arrive.send(Arrival::Audited(entry)).is_ok(),
        Told::Exchanged(exchanged) => {
            let ended = (exchanged.attempt, exchanged.result.into());
            end.send(ended).is_ok()
        }
        Told::Daemon(_)
        | Told::Settings(_)
        | Told::Credential(_)
        | Told::Slot(_)
        | Told::UnderWay(_)
        | Told::Whole(_) => false,
    }
}
