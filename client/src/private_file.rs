//! Small files of this user: opened without following or waiting, read whole, and replaced at once.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

/// Opens a file to read it: no link is followed, and no FIFO waited for.
#[cfg(unix)]
pub(crate) fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};

    let flags =
        OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    Ok(File::from(rustix::fs::open(path, flags, Mode::empty())?))
}

/// Opens a file to read it.
#[cfg(windows)]
pub(crate) fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// The text of a file that has at most `limit` bytes.
pub(crate) fn text(file: File, limit: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > limit) {
        return Err(io::Error::other(format!("longer than {limit} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("not UTF-8"))
}

/// Replaces a file, or makes it: whoever reads it meanwhile finds the old or the new text.
pub(crate) fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut beside = OsString::from(path);
    beside.push(format!(".new-{}", std::process::id()));
    let beside = Path::new(&beside);
    let written = write_new(beside, text.as_bytes(), mode).and_then(|()| fs::rename(beside, path));
    if written.is_err() {
        // The error to report is the one that stopped the writing.
        fs::remove_file(beside).ok();
    }
    written
}

/// Options to write a file that has this mode when it is made.
pub(crate) fn options(mode: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(windows)]
    let _ = mode;
    options
}

/// The system's own words, without the number behind them.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    words.to_lowercase()
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = options(mode).create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
