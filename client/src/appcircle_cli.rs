//! The file of Appcircle's official command line client: where an installation is, and a warning for
//! what else rests there.
//!
//! The client writes it so that everybody may read and change it. So what it says is shown before a
//! secret is asked for, and not followed at all where nobody would see that.

#[cfg(not(target_os = "macos"))]
use std::env;
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use ac_cred_proto::{Denial, ErrorCode, Org};
use serde_json::{Map, Value};

use crate::failure::visible;
use crate::private_file;
#[cfg(not(windows))]
use crate::settings_file;

/// The variable that says below which directory programs keep their settings on Linux.
#[cfg(not(any(target_os = "macos", windows)))]
pub(crate) const SETTINGS_VARIABLE: &str = "XDG_CONFIG_HOME";
/// The directory of Appcircle's programs there.
pub(crate) const VENDOR: &str = "@appcircle";
/// That of the client in that one.
pub(crate) const PROGRAM: &str = "cli-nodejs";
/// The file in that one, on Windows a directory deeper.
pub(crate) const FILE: &str = "config.json";

/// The longest file that is read, in bytes; the client's own has some hundred.
const MAX_LENGTH: u64 = 1_024 * 1_024;

/// The longest URL that is taken from it, in bytes.
const MAX_URL: usize = 2_048;

/// What an environment of the file holds.
const AUTH: &str = "AUTH_HOSTNAME";
const API: &str = "API_HOSTNAME";
const TOKEN: &str = "AC_ACCESS_TOKEN";

/// What the file says of one installation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Installation {
    /// What the client calls it.
    pub(crate) name: String,
    /// The Auth API.
    pub(crate) auth_url: Option<String>,
    /// The API.
    pub(crate) api_url: Option<String>,
    /// The names of the others.
    pub(crate) others: Vec<String>,
}

/// The file as it was found.
pub(crate) struct CliFile {
    path: PathBuf,
    file: File,
    /// Whether others may read it, or change it.
    open_to: OpenTo,
    content: Content,
}

/// Who besides the user may do what with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenTo {
    /// Nobody may do anything.
    Nobody,
    /// Others may read it.
    #[cfg_attr(
        windows,
        expect(dead_code, reason = "who may read a file is not told by a mode there")
    )]
    Readers,
    /// Others may change it.
    Writers,
}

#[derive(Debug, Default)]
struct Content {
    current: Option<String>,
    installations: Vec<(String, Map<String, Value>)>,
}

impl CliFile {
    /// Reads the file of this user.
    pub(crate) fn read() -> Result<Self, Denial> {
        let path = path().ok_or_else(|| unreadable(Path::new("config.json"), "has no place"))?;
        let file = private_file::open(&path).map_err(|error| not_opened(&path, &error))?;
        let system = |error: io::Error| unreadable(&path, &private_file::reason(&error));
        let found = file.metadata().map_err(system)?;
        let open_to = verified(&path, &found)?;
        let reader = file.try_clone().map_err(system)?;
        let text = private_file::text(reader, MAX_LENGTH).map_err(system)?;
        let content = parse(&text).map_err(|why| unreadable(&path, why))?;
        Ok(Self {
            path,
            file,
            open_to,
            content,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Who besides the user may do what with it.
    pub(crate) fn open_to(&self) -> OpenTo {
        self.open_to
    }

    /// Whether a session token of any installation rests in it.
    pub(crate) fn holds_a_token(&self) -> bool {
        let token = |(_, fields): &(String, Map<String, Value>)| {
            let token = fields.get(TOKEN).and_then(Value::as_str);
            token.is_some_and(|token| !token.is_empty())
        };
        self.content.installations.iter().any(token)
    }

    /// The installation that is called like the organization, or else the one that is in use.
    pub(crate) fn installation(&self, organization: &Org) -> Result<Installation, Denial> {
        let chosen = self.content.choose(organization.as_str());
        chosen.map_err(|why| unreadable(&self.path, why))
    }

    /// Has nobody but the user read or change it; what it holds stays.
    #[cfg(unix)]
    pub(crate) fn tighten(&self) -> Result<(), Denial> {
        use std::os::unix::fs::PermissionsExt as _;

        let mode = std::fs::Permissions::from_mode(0o600);
        self.file
            .set_permissions(mode)
            .map_err(|error| unreadable(&self.path, &private_file::reason(&error)))
    }

    /// On Windows the user's own directory keeps others out.
    #[cfg(windows)]
    pub(crate) fn tighten(&self) -> Result<(), Denial> {
        self.file
            .sync_all()
            .map_err(|error| unreadable(&self.path, &private_file::reason(&error)))
    }
}

impl Content {
    fn choose(&self, name: &str) -> Result<Installation, &'static str> {
        let called = |wanted: &str| {
            let mut all = self.installations.iter();
            all.find(|(name, _)| name == wanted)
        };
        let current = self.current.as_deref().unwrap_or("default");
        let (name, fields) = called(name)
            .or_else(|| called(current))
            .ok_or("names no installation that is in use")?;
        let others = self.installations.iter().map(|(other, _)| other);
        Ok(Installation {
            name: name.clone(),
            auth_url: url(fields, AUTH)?,
            api_url: url(fields, API)?,
            others: others.filter(|other| *other != name).cloned().collect(),
        })
    }
}

/// A URL of the file, which may be none: the daemon judges where it leads.
fn url(fields: &Map<String, Value>, key: &str) -> Result<Option<String>, &'static str> {
    let Some(value) = fields.get(key) else {
        return Ok(None);
    };
    let text = value.as_str().ok_or("holds an address that is no text")?;
    let is_usable = text.len() <= MAX_URL && visible(text) == text && !text.contains(' ');
    match text {
        "" => Ok(None),
        _ if is_usable => Ok(Some(text.to_owned())),
        _ => Err("holds an address that cannot be one"),
    }
}

fn parse(text: &str) -> Result<Content, &'static str> {
    let value: Value = serde_json::from_str(text).map_err(|_| "is not JSON")?;
    let mut content = Content {
        current: value
            .get("current")
            .and_then(Value::as_str)
            .map(str::to_owned),
        ..Content::default()
    };
    let installations = value.get("envs").and_then(Value::as_object);
    collect(
        "",
        installations.ok_or("holds no installations")?,
        &mut content,
    );
    Ok(content)
}

/// The client nests an installation whose name has a dot.
fn collect(prefix: &str, below: &Map<String, Value>, content: &mut Content) {
    for (key, value) in below {
        let Some(fields) = value.as_object() else {
            continue;
        };
        let name = format!("{prefix}{key}");
        if [AUTH, API].iter().any(|key| fields.contains_key(*key)) {
            content.installations.push((name.clone(), fields.clone()));
        }
        collect(&format!("{name}."), fields, content);
    }
}

/// Where the client keeps it.
pub(crate) fn path() -> Option<PathBuf> {
    let mut path = settings_directory()?;
    path.extend([VENDOR, PROGRAM]);
    if cfg!(windows) {
        path.push("Config");
    }
    Some(path.join(FILE))
}

/// Below which directory programs keep their settings.
#[cfg(target_os = "macos")]
pub(crate) fn settings_directory() -> Option<PathBuf> {
    Some(settings_file::home()?.join("Library/Preferences"))
}

/// Below which directory programs keep their settings.
#[cfg(windows)]
pub(crate) fn settings_directory() -> Option<PathBuf> {
    env::var_os("APPDATA").map(PathBuf::from)
}

/// Below which directory programs keep their settings (XDG Base Directory).
#[cfg(not(any(target_os = "macos", windows)))]
pub(crate) fn settings_directory() -> Option<PathBuf> {
    let said = env::var_os(SETTINGS_VARIABLE).map(PathBuf::from);
    let said = said.filter(|path| path.is_absolute());
    said.or_else(|| Some(settings_file::home()?.join(".config")))
}

#[cfg(unix)]
fn verified(path: &Path, found: &Metadata) -> Result<OpenTo, Denial> {
    use std::os::unix::fs::MetadataExt as _;

    if !found.is_file() {
        return Err(unsafe_file(path, "is not a regular file"));
    }
    if found.uid() != crate::endpoint::uid() {
        return Err(unsafe_file(path, "belongs to somebody else"));
    }
    Ok(match found.mode() {
        mode if mode & 0o022 != 0 => OpenTo::Writers,
        mode if mode & 0o044 != 0 => OpenTo::Readers,
        _ => OpenTo::Nobody,
    })
}

#[cfg(windows)]
fn verified(path: &Path, found: &Metadata) -> Result<OpenTo, Denial> {
    if found.is_file() {
        return Ok(OpenTo::Nobody);
    }
    Err(unsafe_file(path, "is not a regular file"))
}

fn not_opened(path: &Path, error: &io::Error) -> Denial {
    #[cfg(unix)]
    if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) {
        return unsafe_file(path, "is a symbolic link");
    }
    unreadable(path, &private_file::reason(error))
}

fn unsafe_file(path: &Path, why: &str) -> Denial {
    let message = format!("the official CLI's file {} {why}", path.display());
    Denial::new(ErrorCode::UnsafeFiles, message).hint(format!("ls -l '{}'", path.display()))
}

fn unreadable(path: &Path, why: &str) -> Denial {
    let message = format!(
        "the official CLI's file {} cannot be used: {why}",
        path.display()
    );
    Denial::new(ErrorCode::StoreUnreadable, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"{
        "current": "default",
        "envs": {
            "default": { "API_HOSTNAME": "https://api.appcircle.io",
                         "AUTH_HOSTNAME": "https://auth.appcircle.io", "AC_ACCESS_TOKEN": "" },
            "acme": { "prod": { "AUTH_HOSTNAME": "https://auth.example.com" } }
        }
    }"#;

    fn chosen(text: &str, name: &str) -> Result<Installation, &'static str> {
        parse(text).and_then(|content| content.choose(name))
    }

    #[test]
    fn the_installation_of_that_name_is_taken_or_the_one_in_use() {
        let used = chosen(TWO, "mine").unwrap();
        assert_eq!(used.name, "default");
        assert_eq!(used.auth_url.as_deref(), Some("https://auth.appcircle.io"));
        assert_eq!(used.others, ["acme.prod"]);
        let named = chosen(TWO, "acme.prod").unwrap();
        assert_eq!(named.auth_url.as_deref(), Some("https://auth.example.com"));
        assert_eq!(
            (named.api_url, named.others),
            (None, vec!["default".to_owned()])
        );
    }

    #[test]
    fn what_is_no_such_file_or_no_address_is_refused_without_being_repeated() {
        let with = |auth: &str| format!(r#"{{"envs":{{"default":{{"AUTH_HOSTNAME":{auth}}}}}}}"#);
        for text in [
            String::new(),
            "MARKER".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            r#"{"envs":[]}"#.to_owned(),
            r#"{"envs":{}}"#.to_owned(),
            r#"{"envs":{"default":{}}}"#.to_owned(),
            r#"{"current":"MARKER","envs":{"x":{"API_HOSTNAME":""}}}"#.to_owned(),
            with("1"),
            with("null"),
            with(r#""https://MARKER\u001b[2J""#),
            with(r#""https://a b""#),
            with(r#""https://MARKER\n""#),
            with(&format!("\"https://{}\"", "a".repeat(MAX_URL))),
            "[".repeat(10_000),
        ] {
            let why = chosen(&text, "acme").unwrap_err();
            assert!(!why.contains("MARKER"), "{text}");
        }
    }
}
