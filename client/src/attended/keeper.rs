//! The files of a run, and the token in them, which is renewed as long as the run lasts.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ac_cred_proto::message::{Destination, Lease};
use ac_cred_proto::{Denial, ErrorCode};

use super::Attention;
use super::official_settings;
use super::private_directory::PrivateDirectory;
use crate::call::Call;
use crate::{appcircle_cli, lease, output};

/// The file with the token alone.
const TOKEN: &str = "token";
/// The directory with the settings of the official command line.
const CONFIG: &str = "config";

/// The longest time between two looks at the token: one that the API rejects is replaced by then.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// The time until the next try where there was no token.
const RETRY: Duration = Duration::from_secs(5);

/// The files of a run.
pub(super) struct Keeper<'a> {
    attention: &'a Attention,
    destination: &'a Destination,
    directory: PrivateDirectory,
    lease: Lease,
    has_complained: bool,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(
        attention: &'a Attention,
        lease: Lease,
        destination: &'a Destination,
    ) -> Result<Self, Denial> {
        Ok(Self {
            directory: PrivateDirectory::new()?,
            attention,
            destination,
            lease,
            has_complained: false,
        })
    }

    /// Writes the files, and tells the program where they are.
    pub(super) fn lay_out(&self, command: &mut Command) -> Result<(), Denial> {
        let own = self.directory.path();
        if self.attention.is_official_cli {
            let config = own.join(CONFIG);
            official_settings::lay_out(&config).map_err(|error| unwritable(&error))?;
            command.env(appcircle_cli::SETTINGS_VARIABLE, config);
        }
        if let Some(name) = &self.attention.token_file {
            command.env(name, own.join(TOKEN));
        }
        self.write()
    }

    /// A call for the token, to be made where it may take its time.
    pub(super) fn question(&self) -> impl FnOnce() -> Result<Lease, Denial> + Send + use<> {
        let Attention {
            wish, reach, wait, ..
        } = self.attention;
        let (wish, reach, wait) = (wish.clone(), *reach, *wait);
        move || lease::ask(&Call::new(reach, wait), &wish)
    }

    /// Takes the answer, and says when the next look is due.
    pub(super) fn take(&mut self, answer: Result<Lease, Denial>) -> Duration {
        let renewed = answer.and_then(|lease| self.renew(lease));
        match renewed {
            Ok(()) => {
                self.has_complained = false;
                self.pause()
            }
            Err(denial) => {
                self.complain(&denial);
                RETRY
            }
        }
    }

    /// The time until the next look: half of the life that the token has left.
    pub(super) fn pause(&self) -> Duration {
        let half = Duration::from_secs(self.lease.expires_in.into()) / 2;
        half.clamp(Duration::from_secs(1), LONGEST_PAUSE)
    }

    fn renew(&mut self, lease: Lease) -> Result<(), Denial> {
        if lease.organization_id != self.lease.organization_id {
            let organization = &lease.organization;
            return Err(Denial::new(
                ErrorCode::WrongOrganization,
                format!("{organization} is another organization than at the start of the run"),
            ));
        }
        let is_new = !lease.access_token.is(&self.lease.access_token);
        self.lease = lease;
        if is_new { self.write() } else { Ok(()) }
    }

    fn write(&self) -> Result<(), Denial> {
        let write = |name: &Path, content: &[u8]| {
            let written = self.directory.write(name, content);
            written.map_err(|error| unwritable(&error))
        };
        if self.attention.token_file.is_some() {
            let token = self.lease.access_token.expose();
            write(Path::new(TOKEN), token.as_bytes())?;
        }
        if self.attention.is_official_cli {
            let content = official_settings::content(&self.lease, self.destination)?;
            write(&Path::new(CONFIG).join(official_settings::file()), &content)?;
        }
        Ok(())
    }

    /// Tells once that the token is not renewed.
    fn complain(&mut self, denial: &Denial) {
        if !self.attention.quiet && !self.has_complained {
            output::note(&format!("the token of this run is not renewed: {denial}"));
        }
        self.has_complained = true;
    }
}

fn unwritable(error: &io::Error) -> Denial {
    Denial::new(
        ErrorCode::Internal,
        format!("the token's file cannot be written: {error}"),
    )
}
