//! Where secrets come from: a prompt without echo, standard input, a private file.
//!
//! No message repeats what was read.

use std::env;
use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ac_cred_proto::message::PassphraseNeed;
use ac_cred_proto::secret::{
    Credential, MAX_CREDENTIAL_LENGTH, MAX_TOKEN_LENGTH, Passphrase, SessionToken,
};
use ac_cred_proto::settings::Kind;
use ac_cred_proto::{Denial, ErrorCode, Org};
use zeroize::Zeroizing;

use crate::core_dump;
use crate::deadline::within;
use crate::failure::usage;
use crate::launch::PASSPHRASE_FILE_VARIABLE;
use crate::output;

/// How long a token is waited for on standard input: a program that inherits a pipe which nobody
/// writes to has none to give.
const TOKEN_PATIENCE: Duration = Duration::from_secs(2);

/// Whether standard input is a person's.
pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Asks for the name of an organization.
pub(crate) fn ask_organization() -> Result<Org, Denial> {
    output::ask("Name for the organization: ");
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .map_err(|error| usage(format!("the name cannot be read: {error}")))?;
    Org::parse(line.trim()).map_err(|error| usage(error.to_string()))
}

/// Reads a credential from standard input, of which one line feed or carriage return may be the end.
pub(crate) fn credential_from_stdin() -> Result<Credential, Denial> {
    let unusable = |why: String| usage(format!("standard input holds no credential: {why}"));
    let text = whole_stdin(MAX_CREDENTIAL_LENGTH).map_err(|error| unusable(error.to_string()))?;
    Credential::parse(without_line_end(&text)).map_err(|error| unusable(error.to_string()))
}

/// Asks for a credential without echo.
pub(crate) fn ask_credential(kind: Kind, organization: &Org) -> Result<Credential, Denial> {
    let name = kind_in_words(kind);
    let typed = ask(&format!("{name} for {organization} (not shown): "))
        .map_err(|error| usage(format!("the {name} cannot be read: {error}")))?;
    Credential::parse(typed.trim())
        .map_err(|error| usage(format!("the {name} cannot be used: {error}")))
}

/// What a kind of credential is called where Appcircle shows it.
pub(crate) fn kind_in_words(kind: Kind) -> &'static str {
    match kind {
        Kind::PersonalAccessKey => "Personal Access Key",
        Kind::PersonalAccessToken => "Personal Access Token",
        Kind::ApiKey => "API key",
    }
}

/// Reads the token that the API refused from standard input, when a program has put one there.
pub(crate) fn token_from_stdin() -> Result<Option<SessionToken>, Denial> {
    if is_terminal() {
        return Ok(None);
    }
    let read = || first_line(unbuffered_stdin()?, MAX_TOKEN_LENGTH);
    let unusable = |why: String| usage(format!("standard input holds no session token: {why}"));
    match within(TOKEN_PATIENCE, read) {
        None => Ok(None),
        Some(Ok(line)) if line.is_empty() => Ok(None),
        Some(Ok(line)) => SessionToken::parse(&line)
            .map(Some)
            .map_err(|error| unusable(error.to_string())),
        Some(Err(error)) => Err(unusable(error.to_string())),
    }
}

/// The passphrase of the file that the caller or the environment names.
pub(crate) fn passphrase_from_file(said: Option<&Path>) -> Result<Option<Passphrase>, Denial> {
    let from_variable = || env::var_os(PASSPHRASE_FILE_VARIABLE).map(PathBuf::from);
    match said.map(Path::to_owned).or_else(from_variable) {
        Some(path) => read_passphrase(&path).map(Some),
        None => Ok(None),
    }
}

/// Asks for a passphrase without echo; a new one twice.
pub(crate) fn ask_passphrase(need: PassphraseNeed) -> Result<Passphrase, Denial> {
    let question = match need {
        PassphraseNeed::New => "New passphrase for the encrypted file (not shown): ",
        PassphraseNeed::Existing | PassphraseNeed::Nothing => {
            "Passphrase of the encrypted file (not shown): "
        }
    };
    let typed = ask(question).map_err(|_| no_passphrase(need))?;
    if need == PassphraseNeed::New {
        let again = ask("The same again: ").map_err(|_| no_passphrase(need))?;
        if *again != *typed {
            return Err(usage("the two passphrases differ"));
        }
    }
    Passphrase::parse(&typed)
        .map_err(|error| usage(format!("the passphrase cannot be used: {error}")))
}

/// The refusal for want of a passphrase.
pub(crate) fn no_passphrase(need: PassphraseNeed) -> Denial {
    let message = match need {
        PassphraseNeed::New => {
            "the encrypted file needs a passphrase, and there is no terminal to ask for one"
        }
        PassphraseNeed::Existing | PassphraseNeed::Nothing => {
            "the encrypted file is locked, and there is no terminal to ask for its passphrase"
        }
    };
    Denial::new(ErrorCode::Locked, message)
        .hint(format!("{PASSPHRASE_FILE_VARIABLE}=FILE ac-cred unlock"))
}

/// Asks on the terminal, which shows again what is typed before Ctrl-C ends the process.
#[cfg(unix)]
fn ask(question: &str) -> io::Result<Zeroizing<String>> {
    use nix::sys::signal::{SigSet, Signal};

    keep_private();
    let interrupt = SigSet::from(Signal::SIGINT);
    interrupt.thread_block()?;
    let typed = rpassword::prompt_password(question).map(Zeroizing::new);
    interrupt.thread_unblock()?;
    typed
}

#[cfg(windows)]
fn ask(question: &str) -> io::Result<Zeroizing<String>> {
    rpassword::prompt_password(question).map(Zeroizing::new)
}

fn read_passphrase(path: &Path) -> Result<Passphrase, Denial> {
    let shown = path.display();
    let unreadable = |why: String| {
        Denial::new(
            ErrorCode::Locked,
            format!("the passphrase file {shown} cannot be used: {why}"),
        )
    };
    // A pipe would block as soon as it is opened.
    let found = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    verify_private(path, &found)?;
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let found = file
        .metadata()
        .map_err(|error| unreadable(error.to_string()))?;
    verify_private(path, &found)?;
    let text = whole(file, MAX_CREDENTIAL_LENGTH).map_err(|error| unreadable(error.to_string()))?;
    Passphrase::parse(without_line_end(&text)).map_err(|error| unreadable(error.to_string()))
}

#[cfg(unix)]
fn verify_private(path: &Path, found: &fs::Metadata) -> Result<(), Denial> {
    use std::os::unix::fs::MetadataExt as _;

    verify_facts(path, found.is_file(), found.uid(), found.mode())
}

#[cfg(windows)]
fn verify_private(path: &Path, found: &fs::Metadata) -> Result<(), Denial> {
    if found.is_file() {
        Ok(())
    } else {
        Err(unsafe_file(path, "is not a regular file"))
    }
}

#[cfg(unix)]
fn verify_facts(path: &Path, is_file: bool, owner: u32, mode: u32) -> Result<(), Denial> {
    let shown = path.display();
    if !is_file {
        return Err(unsafe_file(path, "is not a regular file"));
    }
    if owner != 0 && owner != crate::endpoint::uid() {
        let why = format!("belongs to user id {owner}, neither to you nor to root");
        return Err(unsafe_file(path, &why).hint(format!("ls -l '{shown}'")));
    }
    if mode & 0o066 != 0 {
        let why = format!("is open to others (mode {:04o})", mode & 0o7777);
        return Err(unsafe_file(path, &why).hint(format!("chmod 600 '{shown}'")));
    }
    Ok(())
}

fn unsafe_file(path: &Path, why: &str) -> Denial {
    let shown = path.display();
    Denial::new(
        ErrorCode::UnsafeFiles,
        format!("the passphrase file {shown} {why}"),
    )
}

/// Keeps what is about to be read out of core dumps, and from other processes of the same user.
fn keep_private() {
    // A sandbox that forbids it keeps others out itself, and a login is worth more.
    core_dump::forbid().ok();
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable).ok();
}

/// Standard input without the standard library's buffer, which would keep a copy of the secret.
fn unbuffered_stdin() -> io::Result<File> {
    #[cfg(unix)]
    let stdin = std::os::fd::AsFd::as_fd(&rustix::stdio::stdin()).try_clone_to_owned()?;
    #[cfg(windows)]
    let stdin = std::os::windows::io::AsHandle::as_handle(&io::stdin()).try_clone_to_owned()?;
    Ok(File::from(stdin))
}

fn whole_stdin(longest: usize) -> io::Result<Zeroizing<String>> {
    whole(unbuffered_stdin()?, longest)
}

/// Everything up to the end, which has to come after at most `longest` bytes and a line end.
fn whole(mut source: impl Read, longest: usize) -> io::Result<Zeroizing<String>> {
    read_into_one_buffer(longest, |buffer| source.read(buffer), |_| false)
}

/// The first line without its end.
fn first_line(mut source: impl Read, longest: usize) -> io::Result<Zeroizing<String>> {
    let text = read_into_one_buffer(
        longest,
        |buffer| source.read(buffer),
        |bytes| bytes.contains(&b'\n'),
    )?;
    let line = text.lines().next().unwrap_or_default().trim_end();
    Ok(Zeroizing::new(line.to_owned()))
}

/// Reads until the source ends or `is_enough`, into a buffer that never moves, so that no copy of
/// the secret is left behind.
fn read_into_one_buffer(
    longest: usize,
    mut read: impl FnMut(&mut [u8]) -> io::Result<usize>,
    is_enough: impl Fn(&[u8]) -> bool,
) -> io::Result<Zeroizing<String>> {
    keep_private();
    let mut buffer = Zeroizing::new(vec![0; longest + "\r\n".len() + 1]);
    let mut length = 0;
    while !is_enough(buffer.get(..length).unwrap_or_default()) {
        let room = buffer.get_mut(length..).unwrap_or_default();
        if room.is_empty() {
            return Err(io::Error::other("it is too long"));
        }
        match read(room) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let text = std::str::from_utf8(buffer.get(..length).unwrap_or_default())
        .map_err(|_| io::Error::other("it is not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The text without one line feed or carriage return, or both, at its end.
fn without_line_end(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_is_no_part_of_a_secret() {
        for text in ["key", "key\n", "key\r\n", "key\r"] {
            assert_eq!(without_line_end(text), "key", "{text:?}");
        }
        assert_eq!(without_line_end("key\n\n"), "key\n");
        assert_eq!(without_line_end("\n"), "");
    }

    #[test]
    fn a_secret_is_read_to_its_end_but_not_beyond_its_bound() {
        assert_eq!(*whole(&b"abc\r\n"[..], 3).unwrap(), "abc\r\n");
        let error = whole(&b"abcdef"[..], 3).unwrap_err();
        assert_eq!(error.to_string(), "it is too long");
        assert!(whole(&b"\xff"[..], 3).is_err());
    }

    #[test]
    fn a_token_ends_with_its_line() {
        struct ThenBlocks(&'static [u8]);
        impl Read for ThenBlocks {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                assert!(!self.0.is_empty(), "it is read beyond the line");
                self.0.read(buffer)
            }
        }
        let line = first_line(ThenBlocks(b"eyJ.x.y\r\nmore"), 100).unwrap();
        assert_eq!(*line, "eyJ.x.y");
        assert_eq!(*first_line(&b"eyJ.x.y"[..], 100).unwrap(), "eyJ.x.y");
        assert_eq!(*first_line(&b""[..], 100).unwrap(), "");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_reads_a_secret_can_be_neither_dumped_nor_traced() {
        use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};

        assert_eq!(*whole(&b"secret"[..], 100).unwrap(), "secret");
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        assert_eq!(getrlimit(Resource::Core).maximum, Some(0));
    }

    #[cfg(unix)]
    #[test]
    fn a_passphrase_file_is_private_or_refused_with_the_command_that_mends_it() {
        use std::os::unix::fs::PermissionsExt as _;

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passphrase");
        fs::write(&path, "open sesame\n").unwrap();
        for (mode, is_private) in [
            (0o600, true),
            (0o400, true),
            (0o640, false),
            (0o604, false),
            (0o620, false),
            (0o644, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            match read_passphrase(&path) {
                Ok(_) => assert!(is_private, "{mode:o}"),
                Err(denial) => {
                    assert!(!is_private, "{mode:o}: {denial}");
                    assert_eq!(denial.error, ErrorCode::UnsafeFiles);
                    let hint = format!("chmod 600 '{}'", path.display());
                    assert_eq!(denial.hint, Some(hint));
                }
            }
        }
        assert!(verify_facts(&path, true, 0, 0o400).is_ok());
        assert!(verify_facts(&path, true, crate::endpoint::uid() + 1, 0o600).is_err());
    }

    #[test]
    fn what_is_no_file_or_holds_no_passphrase_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let code = |path: &Path| read_passphrase(path).unwrap_err().error;
        assert_eq!(code(directory.path()), ErrorCode::UnsafeFiles);
        assert_eq!(code(&directory.path().join("none")), ErrorCode::Locked);
    }
}
