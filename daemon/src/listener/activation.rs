//! The socket that a service manager has opened before it starts the daemon.

#[cfg(not(target_os = "macos"))]
use std::os::fd::OwnedFd;

use ac_cred_proto::{Denial, ErrorCode};

use super::HandedOver;

/// The one socket that systemd has handed to this process, where it has.
///
/// # Errors
///
/// A [`Denial`] when it is not one stream socket of this machine.
#[cfg(not(target_os = "macos"))]
pub fn handed_over() -> Result<Option<HandedOver>, Denial> {
    let said = |name: &str| std::env::var(name).ok();
    let is_for_this = said("LISTEN_PID").is_some_and(|pid| pid == std::process::id().to_string());
    if !is_for_this {
        return Ok(None);
    }
    let count = said("LISTEN_FDS").unwrap_or_default();
    if count != "1" {
        let message = format!("one socket is to be handed over, not {count}");
        return Err(Denial::new(ErrorCode::UnsafeFiles, message));
    }
    let taken = listenfd::ListenFd::from_env().take_unix_listener(0);
    let taken = taken.map_err(|error| {
        let message = format!("what was handed over is no socket to listen at: {error}");
        Denial::new(ErrorCode::UnsafeFiles, message)
    })?;
    Ok(taken.map(OwnedFd::from))
}

/// The one socket that launchd has opened for this agent, where it has (launchd.plist(5)).
///
/// # Errors
///
/// A [`Denial`] when it is not one socket of this machine.
#[cfg(target_os = "macos")]
pub fn handed_over() -> Result<Option<HandedOver>, Denial> {
    use ac_cred_proto::endpoint::LAUNCHD_SOCKET;
    use service_binding::{Binding, Error, Listener};

    let wrong = |why: String| {
        let message = format!("what launchd has opened is no socket to listen at: {why}");
        Denial::new(ErrorCode::UnsafeFiles, message)
    };
    let binding = match Binding::try_from(format!("fd://{LAUNCHD_SOCKET}").as_str()) {
        Ok(binding) => binding,
        // This is no agent, or one that runs from login on.
        Err(Error::DescriptorsMissing) => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
    };
    match Listener::try_from(binding) {
        Ok(Listener::Unix(listener)) => Ok(Some(listener.into())),
        Ok(Listener::Tcp(_) | Listener::NamedPipe(_)) => Err(wrong("it is another".to_owned())),
        Err(error) => Err(wrong(error.to_string())),
    }
}
