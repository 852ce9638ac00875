//! What reaches stdout and stderr: the only printer, and the only place that exposes a session token.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};

use ac_cred_proto::message::Lease;
use ac_cred_proto::secret::SessionToken;
use ac_cred_proto::time::Timestamp;
use ac_cred_proto::{Denial, ErrorCode, Org};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::closed_stdout;
use crate::failure::{self, Failure};
use crate::screen::Look;

/// Enough for a lease as JSON besides its token, so that no copy is left by a growing buffer.
const LEASE_WITHOUT_TOKEN: usize = 1_024;

/// The columns of a terminal that does not tell.
const USUAL_WIDTH: u16 = 80;

/// Prints texts with a token between each two.
pub(crate) fn token(token: &SessionToken, pieces: &[&str]) -> Result<(), Failure> {
    let text = Zeroizing::new(pieces.join(token.expose()));
    write(text.as_bytes())
}

/// Prints a token with the life it has left, as one line of JSON.
pub(crate) fn lease(lease: &Lease) -> Result<(), Failure> {
    let capacity = LEASE_WITHOUT_TOKEN + lease.access_token.expose().len();
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    append_json(&PrintedLease::of(lease), &mut bytes)?;
    write(&bytes)
}

/// Prints a value as one line of JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    append_json(value, &mut bytes)?;
    write(&bytes)
}

/// Prints a text as it is.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    write(text.as_bytes())
}

/// Prints lines, each with a line feed.
pub(crate) fn lines<'a>(lines: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    text(&lines.flat_map(|line| [line, "\n"]).collect::<String>())
}

/// Tells a person on stderr what happened, in one line.
pub(crate) fn note(text: &str) {
    tell(&format!("ac-cred: {}\n", failure::visible(text)));
}

/// Asks a person on stderr, without a line feed.
pub(crate) fn ask(question: &str) {
    tell(question);
}

/// Says on stderr why a command failed.
pub(crate) fn failure(failure: &Failure, in_json: bool) {
    match failure {
        Failure::Denied(denial) if in_json => tell(&format!("{}\n", failure::json_line(denial))),
        Failure::Denied(denial) => tell(&format!("{}\n", failure::line(denial))),
        Failure::NotFound(why) | Failure::NotExecutable(why) => note(why),
        Failure::ReaderGone | Failure::ProgramEnded(_) => {}
        Failure::NothingTyped(help) => tell(help),
    }
}

/// Whether a person sees what is printed.
pub(crate) fn is_terminal() -> bool {
    // The standard library's stdout would make its buffer to be asked.
    #[cfg(unix)]
    let stdout = rustix::stdio::stdout();
    #[cfg(windows)]
    let stdout = io::stdout();
    stdout.is_terminal()
}

/// Whether a person sees what is told.
pub(crate) fn tells_a_terminal() -> bool {
    io::stderr().is_terminal()
}

/// How what is printed should look, as far as the terminal and the environment say.
pub(crate) fn look() -> Look {
    let is_said = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    let at_terminal = is_terminal();
    Look {
        colour: at_terminal && !is_said("NO_COLOR") && !is_dumb,
        blocks: !is_dumb && writes_utf8(),
        width: at_terminal.then(width),
    }
}

/// The columns of the terminal on which stdout is shown.
fn width() -> usize {
    let (width, _) = terminal_size::terminal_size_of(io::stdout())
        .map_or((USUAL_WIDTH, 0), |(width, height)| (width.0, height.0));
    width.max(1).into()
}

/// Whether the terminal shows what is beyond ASCII: the first variable that is set tells.
fn writes_utf8() -> bool {
    let said = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .filter_map(env::var_os)
        .find(|value| !value.is_empty());
    said.is_some_and(|value| {
        let value = value.to_string_lossy().to_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}

/// A lease as `get --format json` prints it.
#[derive(Serialize)]
struct PrintedLease<'a> {
    version: u8,
    organization: &'a Org,
    organization_id: Option<&'a str>,
    access_token: &'a SessionToken,
    token_type: &'static str,
    expires_at: Timestamp,
    expires_in: u32,
    api_url: &'a str,
}

impl<'a> PrintedLease<'a> {
    fn of(lease: &'a Lease) -> Self {
        Self {
            version: 1,
            organization: &lease.organization,
            organization_id: lease.organization_id.as_deref(),
            access_token: &lease.access_token,
            token_type: "Bearer",
            expires_at: lease.expires_at,
            expires_in: lease.expires_in,
            api_url: &lease.api_url,
        }
    }
}

fn append_json<T: Serialize>(value: &T, bytes: &mut Vec<u8>) -> Result<(), Failure> {
    serde_json::to_writer(&mut *bytes, value)
        .map_err(|_| Denial::new(ErrorCode::Internal, "the answer cannot be written as JSON"))?;
    bytes.push(b'\n');
    Ok(())
}

/// Hands the whole output to stdout at once.
fn write(bytes: &[u8]) -> Result<(), Failure> {
    if closed_stdout::was_closed() {
        return Err(Denial::new(ErrorCode::Internal, "stdout is closed").into());
    }
    write_unbuffered(bytes).map_err(|error| {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Failure::ReaderGone
        } else {
            Denial::new(
                ErrorCode::Internal,
                format!("stdout cannot be written: {error}"),
            )
            .into()
        }
    })
}

/// Writes without the standard library's buffer, which keeps a copy of the token, and without its
/// opinion that a stdout which cannot be written needs no writing.
#[cfg(unix)]
fn write_unbuffered(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(rustix::stdio::stdout(), bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Writes without the standard library's buffer, which keeps a copy of the token.
#[cfg(windows)]
fn write_unbuffered(bytes: &[u8]) -> io::Result<()> {
    use std::os::windows::io::AsHandle as _;
    let stdout = io::stdout().as_handle().try_clone_to_owned()?;
    std::fs::File::from(stdout).write_all(bytes)
}

/// Hands a text to stderr at once; where stderr is closed or full there is nobody left to tell.
fn tell(text: &str) {
    io::stderr().write_all(text.as_bytes()).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_in_json_has_every_field_in_the_documented_order() {
        let lease = Lease {
            organization: Org::parse("acme").unwrap(),
            organization_id: None,
            access_token: SessionToken::parse("eyJ.x.y").unwrap(),
            expires_at: Timestamp::from_unix(1_790_000_000),
            expires_in: 3540,
            api_url: "https://api.appcircle.io".to_owned(),
            warning: None,
            credential_expires_at: None,
        };
        let mut bytes = Vec::new();
        append_json(&PrintedLease::of(&lease), &mut bytes).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            concat!(
                r#"{"version":1,"organization":"acme","organization_id":null,"access_token":"eyJ.x.y","#,
                r#""token_type":"Bearer","expires_at":"2026-09-21T14:13:20Z","expires_in":3540,"#,
                r#""api_url":"https://api.appcircle.io"}"#,
                "\n"
            )
        );
    }
}
