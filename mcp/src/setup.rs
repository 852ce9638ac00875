//! Makes an MCP client use Appcircle: prints what goes into its configuration, or merges it into
//! the client's file without touching anything else there.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ac_cred::bridge::{self, Chosen, Deed, Setup, Way};
use ac_cred_proto::message::Destination;
use ac_cred_proto::{Denial, ErrorCode, Org};

use self::client::{Entry, Form};
use self::place::Place;

mod client;
mod diff;
mod json_text;
mod place;
mod toml_text;

/// How long the daemon may take to say which organization is meant.
const DAEMON_WAIT: Duration = Duration::from_secs(8);

/// The name of the entry in every client's configuration.
const NAME: &str = "appcircle";

/// Does what was asked.
///
/// # Errors
///
/// A [`Denial`] where the organization or the client's file cannot be used; the file is as it was
/// then.
pub fn run(setup: &Setup) -> Result<(), Denial> {
    match setup.deed {
        Deed::Print => print(setup),
        Deed::Write => write(setup),
        Deed::Remove => remove(setup),
    }
}

fn print(setup: &Setup) -> Result<(), Denial> {
    let form = Form::of(setup.client);
    let entry = entry(setup)?;
    bridge::print(&form.merge("", &entry)?)?;
    let shown = form.file()?;
    let mut words = vec!["ac-cred setup", client::name(setup.client)];
    let named = setup.chosen.named()?;
    words.extend(named.as_ref().map(Org::as_str));
    words.extend((setup.way == Way::Helper).then_some("--helper"));
    words.push("--write");
    bridge::tell(&format!(
        "this goes into {}; run: {}",
        shown.display(),
        words.join(" ")
    ));
    Ok(())
}

fn write(setup: &Setup) -> Result<(), Denial> {
    let form = Form::of(setup.client);
    let place = Place::find(&form.file()?)?;
    let before = place.text();
    let after = form.merge(before, &entry(setup)?)?;
    let shown = place.path().display().to_string();
    if after == before {
        bridge::tell(&format!("{shown} has it already"));
        return Ok(());
    }
    bridge::print(&diff::unified(&shown, before, &after))?;
    let kept = place.replace(&after)?;
    bridge::tell(&match kept {
        Some(backup) => format!("{shown} is written; as it was, it is {}", backup.display()),
        None => format!("{shown} is written"),
    });
    Ok(())
}

fn remove(setup: &Setup) -> Result<(), Denial> {
    let form = Form::of(setup.client);
    let place = Place::find(&form.file()?)?;
    let before = place.text();
    let shown = place.path().display().to_string();
    let Some(entry) = form.found(before)? else {
        bridge::tell(&format!("{shown} has no entry {NAME}"));
        return Ok(());
    };
    if !entry.contains("ac-cred") {
        let message = format!("the entry {NAME} in {shown} is not one of ac-cred's");
        return Err(Denial::new(ErrorCode::Usage, message));
    }
    // Where nothing else has changed since, the file becomes what it was to the last byte.
    let original = place
        .backup()?
        .filter(|kept| form.differs_in_entry_only(kept, before));
    let is_created = original.is_none() && form.is_ours_alone(before);
    let after = match (&original, is_created) {
        (Some(original), _) => original.clone(),
        (None, true) => String::new(),
        (None, false) => form.without(before)?,
    };
    bridge::print(&diff::unified(&shown, before, &after))?;
    if is_created {
        place.delete()?;
        bridge::tell(&format!("{shown} is removed, as it held nothing else"));
        return Ok(());
    }
    place.put(&after)?;
    if original.is_some() {
        place.forget_backup();
    }
    bridge::tell(&format!("{shown} is written"));
    Ok(())
}

/// What the client is told of Appcircle.
fn entry(setup: &Setup) -> Result<Entry, Denial> {
    let destination = destination(&setup.chosen)?;
    let organization = destination
        .as_ref()
        .map(|known| known.organization.to_string());
    let program = program()?;
    match setup.way {
        Way::Bridge => Ok(Entry::bridge(setup.client, &program, organization)),
        Way::Helper => {
            let url = destination.and_then(|known| known.mcp_url);
            Entry::helper(setup.client, &program, organization, url)
        }
    }
}

/// Where the organization's tokens go; `None` where there is no organization yet, and none is meant.
fn destination(chosen: &Chosen) -> Result<Option<Destination>, Denial> {
    let named = chosen.named()?;
    match bridge::destination(named.as_ref(), DAEMON_WAIT) {
        Ok(destination) => Ok(Some(destination)),
        Err(denial)
            if named.is_none()
                && denial.error == ErrorCode::NoOrganizationChosen
                && denial.hint.as_deref() == Some("ac-cred login ORG") =>
        {
            Ok(None)
        }
        Err(denial) => Err(denial),
    }
}

/// The path of `ac-cred` to be written down: as it is found in `PATH`, which outlives an update,
/// where that is the program beside this one.
fn program() -> Result<String, Denial> {
    let internal = |why: String| Denial::new(ErrorCode::Internal, why);
    let beside = bridge::client_program()
        .map_err(|error| internal(format!("this program cannot be located: {error}")))?;
    let found = in_path(&beside).unwrap_or(beside);
    found.into_os_string().into_string().map_err(|path| {
        let shown = path.display();
        internal(format!(
            "{shown} is not UTF-8, so no configuration can name it"
        ))
    })
}

fn in_path(program: &Path) -> Option<PathBuf> {
    let (name, path) = (program.file_name()?, env::var_os("PATH")?);
    let mut found = env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name));
    found.find(|found| found.canonicalize().is_ok_and(|found| found == program))
}
