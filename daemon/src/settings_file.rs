//! The settings file: read again when it has changed, and edited so that a person's comments stay.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ac_cred_proto::settings::{OrgSettings, Settings, Store};
use ac_cred_proto::{Denial, ErrorCode, Org};
use toml_edit::{DocumentMut, Item, Table, Value};

use crate::private_file::{self, FileError, Privacy, Stamp};

/// The longest settings file: some ten thousand organizations.
const MAX_LENGTH: u64 = 16 * 1_024 * 1_024;

/// How often a change is made anew because a person has saved the file meanwhile.
const MOST_TRIES: usize = 5;

const ORGANIZATIONS: &str = "organizations";
const DEFAULT: &str = "default";

/// A change to the settings.
#[derive(Clone, Debug)]
pub enum Edit {
    /// Adds or replaces an organization, and makes it the default if asked.
    Put {
        /// Its alias.
        organization: Org,
        /// Its settings.
        settings: Box<OrgSettings>,
        /// Whether it becomes the default.
        make_default: bool,
    },
    /// Removes an organization.
    Remove(Org),
    /// Changes an alias.
    Rename(Org, Org),
    /// Chooses the default.
    Default(Org),
}

/// The settings as last read, and those that could not be written.
#[derive(Debug)]
pub struct SettingsFile {
    path: PathBuf,
    seen: Option<Stamp>,
    settings: Settings,
    broken: Option<Denial>,
    /// Organizations whose settings live in memory only, as the file cannot be written.
    unsaved: BTreeMap<Org, OrgSettings>,
}

impl SettingsFile {
    /// The settings of a file that need not exist.
    #[must_use]
    pub fn open(path: PathBuf) -> Self {
        let mut file = Self {
            path,
            seen: None,
            settings: Settings::default(),
            broken: None,
            unsaved: BTreeMap::new(),
        };
        file.read();
        file
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file again if it has changed, and returns the settings as they were.
    pub fn refresh(&mut self) -> Option<Settings> {
        (private_file::stamp(&self.path) != self.seen).then(|| {
            let before = self.settings.clone();
            self.read();
            before
        })
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// A [`Denial`] with line and column while the file cannot be understood.
    pub fn settings(&self) -> Result<&Settings, Denial> {
        self.broken
            .as_ref()
            .map_or(Ok(&self.settings), |denial| Err(denial.clone()))
    }

    /// Keeps settings in memory that could not be written.
    pub fn keep_unsaved(&mut self, edit: &Edit) {
        match edit {
            Edit::Put {
                organization,
                settings,
                make_default,
            } => {
                self.unsaved
                    .insert(organization.clone(), settings.as_ref().clone());
                self.settings
                    .organizations
                    .insert(organization.clone(), settings.as_ref().clone());
                if *make_default {
                    self.settings.default = Some(organization.clone());
                }
            }
            Edit::Remove(organization) => {
                self.unsaved.remove(organization);
                self.settings.organizations.remove(organization);
                self.settings
                    .default
                    .take_if(|default| default == organization);
            }
            Edit::Rename(old, new) => {
                if let Some(settings) = self.settings.organizations.remove(old) {
                    self.unsaved.remove(old);
                    self.unsaved.insert(new.clone(), settings.clone());
                    self.settings.organizations.insert(new.clone(), settings);
                }
                if self.settings.default.as_ref() == Some(old) {
                    self.settings.default = Some(new.clone());
                }
            }
            Edit::Default(organization) => self.settings.default = Some(organization.clone()),
        }
    }

    /// The default organization and the settings that live in memory only, for another daemon.
    #[must_use]
    pub fn unsaved(&self) -> (Option<Org>, Vec<(Org, OrgSettings)>) {
        let unsaved = self.unsaved.iter();
        (
            self.settings.default.clone(),
            unsaved
                .map(|(org, settings)| (org.clone(), settings.clone()))
                .collect(),
        )
    }

    /// Takes what another daemon has kept in memory.
    pub fn resume(&mut self, default: Option<&Org>, unsaved: Vec<(Org, OrgSettings)>) {
        for (organization, settings) in unsaved {
            self.keep_unsaved(&Edit::Put {
                organization,
                settings: Box::new(settings),
                make_default: false,
            });
        }
        if let Some(default) = default {
            self.keep_unsaved(&Edit::Default(default.clone()));
        }
    }

    /// Lets go of settings in memory for which the file has newer ones.
    pub fn let_go_of_unsaved(&mut self, written: &Edit) {
        match written {
            Edit::Put { organization, .. } | Edit::Remove(organization) => {
                self.unsaved.remove(organization);
            }
            Edit::Rename(old, new) => {
                if let Some(settings) = self.unsaved.remove(old) {
                    self.unsaved.insert(new.clone(), settings);
                }
            }
            Edit::Default(_) => {}
        }
    }

    fn read(&mut self) {
        // What changes after this is noticed by the next reading.
        self.seen = private_file::stamp(&self.path);
        let parsed = read_text(&self.path).and_then(|text| {
            Settings::parse(&text).map_err(|error| {
                Denial::new(
                    ErrorCode::StoreUnreadable,
                    format!("{}, {error}", self.path.display()),
                )
            })
        });
        match parsed {
            Ok(mut settings) => {
                settings.organizations.extend(self.unsaved.clone());
                self.settings = settings;
                self.broken = None;
            }
            Err(denial) => self.broken = Some(denial),
        }
    }
}

/// The file's text; a file that is not there is empty.
fn read_text(path: &Path) -> Result<String, Denial> {
    match private_file::read(path, Privacy::Steering, MAX_LENGTH) {
        Ok((bytes, _)) => match std::str::from_utf8(&bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err(Denial::new(
                ErrorCode::StoreUnreadable,
                format!("{} is not UTF-8", path.display()),
            )),
        },
        Err(FileError::Missing(_)) => Ok(String::new()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the file, as it is now, has the credential of an organization rest in this store.
///
/// One that cannot be read may.
#[must_use]
pub fn leads_to(path: &Path, org: &Org, store: Store) -> bool {
    let file = SettingsFile::open(path.to_owned());
    file.settings().map_or(true, |settings| {
        let known = settings.organizations.get(org);
        known.is_some_and(|known| known.store == store)
    })
}

/// Applies edits to the file, under a lock that other writers take too.
///
/// # Errors
///
/// A [`Denial`] when the file cannot be read, understood or written; it is then as it was.
pub fn apply(path: &Path, edits: &[Edit]) -> Result<(), Denial> {
    let _lock = private_file::lock_beside(path)?;
    for _ in 0..MOST_TRIES {
        if apply_once(path, edits)? {
            return Ok(());
        }
    }
    let message = format!("{} is being changed by another program", path.display());
    Err(Denial::new(ErrorCode::Busy, message))
}

/// Applies edits to the file as it is; false when it has changed meanwhile, and is as it was left.
fn apply_once(path: &Path, edits: &[Edit]) -> Result<bool, Denial> {
    // A settings file that is a link into a collection of dotfiles stays one.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let seen = private_file::stamp(&target);
    let text = read_text(path)?;
    let (heading, entries) = text.split_at(heading_length(&text));
    let mut document: DocumentMut = entries.parse().map_err(|_| {
        Denial::new(
            ErrorCode::StoreUnreadable,
            format!("{} cannot be understood", path.display()),
        )
    })?;
    for edit in edits {
        edit_document(&mut document, edit);
    }
    let edited = format!("{heading}{}{document}", separator(heading));
    let bytes = edited.as_bytes();
    Ok(private_file::replace_unless_changed(&target, bytes, seen)?)
}

/// How much of a file's beginning is comments that nothing follows, or a blank line and then the
/// first entry: they belong to the file and stay when that entry goes.
fn heading_length(text: &str) -> usize {
    let (mut length, mut apart) = (0, 0);
    for line in text.split_inclusive('\n') {
        let is_blank = line.trim().is_empty();
        if !is_blank && !line.trim_start().starts_with('#') {
            return apart;
        }
        length += line.len();
        if is_blank {
            apart = length;
        }
    }
    length
}

/// What sets a heading apart from the entries: the line feeds that it lacks.
fn separator(heading: &str) -> &'static str {
    let feeds = heading.chars().rev().take_while(|c| c.is_whitespace());
    match feeds.filter(|&c| c == '\n').count() {
        _ if heading.trim().is_empty() => "",
        0 => "\n\n",
        1 => "\n",
        _ => "",
    }
}

fn edit_document(document: &mut DocumentMut, edit: &Edit) {
    match edit {
        Edit::Put {
            organization,
            settings,
            make_default,
        } => {
            put(organizations(document), organization, settings);
            if *make_default {
                set_default(document, Some(organization));
            }
        }
        Edit::Remove(organization) => {
            organizations(document).remove(organization.as_str());
            if default_is(document, organization) {
                set_default(document, None);
            }
        }
        Edit::Rename(old, new) => {
            let tables = organizations(document);
            if let Some(table) = tables.remove(old.as_str()) {
                tables.insert(new.as_str(), table);
            }
            if default_is(document, old) {
                set_default(document, Some(new));
            }
        }
        Edit::Default(organization) => set_default(document, Some(organization)),
    }
}

fn organizations(document: &mut DocumentMut) -> &mut dyn toml_edit::TableLike {
    let item = document.entry(ORGANIZATIONS).or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    if item.as_table_like().is_none() {
        *item = Item::Table(Table::new());
    }
    item.as_table_like_mut().expect("the item was made a table")
}

fn default_is(document: &DocumentMut, organization: &Org) -> bool {
    document.get(DEFAULT).and_then(Item::as_str) == Some(organization.as_str())
}

fn set_default(document: &mut DocumentMut, organization: Option<&Org>) {
    match organization {
        Some(organization) => set(
            document.as_table_mut(),
            DEFAULT,
            Some(organization.as_str().into()),
        ),
        None => set(document.as_table_mut(), DEFAULT, None),
    }
}

fn put(organizations: &mut dyn toml_edit::TableLike, organization: &Org, settings: &OrgSettings) {
    let item = organizations
        .entry(organization.as_str())
        .or_insert_with(|| Item::Table(Table::new()));
    if item.as_table_like().is_none() {
        *item = Item::Table(Table::new());
    }
    let Some(table) = item.as_table_like_mut() else {
        return;
    };
    let text = |value: &Option<Box<str>>| value.as_deref().map(Value::from);
    for (key, value) in [
        ("kind", Some(settings.kind.as_str().into())),
        ("store", Some(settings.store.as_str().into())),
        ("auth_url", Some(settings.auth_url.as_ref().into())),
        ("api_url", Some(settings.api_url.as_ref().into())),
        ("mcp_url", text(&settings.mcp_url)),
        ("name", text(&settings.name)),
        ("organization_id", text(&settings.organization_id)),
        ("sub_organization", text(&settings.sub_organization)),
        ("pinned_organization", text(&settings.pinned_organization)),
        (
            "endpoint_version",
            settings
                .endpoint_version
                .map(|version| version.as_str().into()),
        ),
        ("ca_file", text(&settings.ca_file)),
        ("proxy", text(&settings.proxy)),
        ("allow_http", settings.allow_http.then(|| true.into())),
        ("expires", settings.expires.map(|at| at.to_string().into())),
    ] {
        set(table, key, value);
    }
}

/// Sets a key, keeping what a person wrote around it; without a value the key goes.
fn set(table: &mut dyn toml_edit::TableLike, key: &str, value: Option<Value>) {
    let Some(mut value) = value else {
        table.remove(key);
        return;
    };
    if let Some(there) = table.get_mut(key).and_then(Item::as_value_mut) {
        *value.decor_mut() = there.decor().clone();
        *there = value;
    } else {
        table.insert(key, Item::Value(value));
    }
}

#[cfg(test)]
mod tests {
    use ac_cred_proto::settings::Store;

    use super::*;

    fn org(name: &str) -> Org {
        Org::parse(name).unwrap()
    }

    fn put_edit(name: &str) -> Edit {
        Edit::Put {
            organization: org(name),
            settings: Box::new(OrgSettings::new(Store::File)),
            make_default: false,
        }
    }

    fn edited(before: &str, edits: &[Edit]) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        std::fs::write(&path, before).unwrap();
        apply(&path, edits).unwrap();
        std::fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn what_a_person_wrote_stays() {
        let before = "# mine\ndefault = \"b\" # why\n\n[organizations.b]\n# the big one\nstore = \"memory\" # for now\n";
        let after = edited(before, &[put_edit("acme"), put_edit("b")]);
        for kept in [
            "# mine\n",
            "default = \"b\" # why",
            "# the big one",
            "store = \"file\" # for now",
        ] {
            assert!(after.contains(kept), "{kept} in {after}");
        }
        assert_eq!(Settings::parse(&after).unwrap().organizations.len(), 2);
    }

    #[test]
    fn what_stands_above_all_entries_stays_there_when_they_come_and_go() {
        let heading = "# managed by me\n\n# and by nobody else\n";
        for before in [
            heading.to_owned(),
            heading.trim_end().to_owned(),
            format!("{heading}\n"),
            format!("{heading}\n# the big one\n[organizations.b]\nstore = \"memory\"\n"),
        ] {
            let mut text = edited(&before, &[put_edit("a"), put_edit("b")]);
            for _ in 0..2 {
                text = edited(&text, &[Edit::Rename(org("a"), org("c"))]);
                text = edited(&text, &[Edit::Remove(org("b")), Edit::Remove(org("c"))]);
                assert_eq!(text.trim_end(), heading.trim_end(), "{before:?}");
                text = edited(&text, &[put_edit("a"), put_edit("b")]);
            }
            assert!(text.starts_with(&format!("{heading}\n")), "{text}");
            assert_eq!(Settings::parse(&text).unwrap().organizations.len(), 2);
        }
    }

    #[test]
    fn the_default_follows_a_rename_and_goes_with_its_organization() {
        let before = "default = \"b\"\n[organizations.b]\nstore = \"memory\"\n";
        let renamed =
            Settings::parse(&edited(before, &[Edit::Rename(org("b"), org("c.d"))])).unwrap();
        assert_eq!(renamed.default, Some(org("c.d")));
        assert!(renamed.organizations.contains_key(&org("c.d")));
        let removed = Settings::parse(&edited(before, &[Edit::Remove(org("b"))])).unwrap();
        assert_eq!(removed, Settings::default());
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let mut settings = OrgSettings::new(Store::Memory);
        settings.name = Some("ci \"key\"".into());
        settings.ca_file = Some("/x/ü.pem".into());
        settings.allow_http = true;
        settings.expires = Some("2026-09-21".parse().unwrap());
        let edit = Edit::Put {
            organization: org("a.b"),
            settings: Box::new(settings.clone()),
            make_default: true,
        };
        let read = Settings::parse(&edited("", &[edit])).unwrap();
        assert_eq!(read.default, Some(org("a.b")));
        assert_eq!(read.organizations[&org("a.b")], settings);
    }

    #[test]
    fn a_broken_file_is_refused_until_it_is_mended_and_is_never_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        std::fs::write(&path, "[organizations.b]\nstore = \"shelf\"\n").unwrap();
        let mut file = SettingsFile::open(path.clone());
        let denial = file.settings().unwrap_err();
        assert!(
            denial.message.contains("config.toml, line 2, column 9: "),
            "{denial}"
        );
        std::fs::write(&path, "default = [").unwrap();
        assert!(apply(&path, &[put_edit("x")]).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "default = [");
        std::fs::write(&path, "[organizations.b]\nstore = \"file\"\n").unwrap();
        assert!(file.refresh().is_some());
        assert_eq!(file.settings().unwrap().organizations.len(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_write_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.toml");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        let denial = SettingsFile::open(path).settings().unwrap_err();
        assert_eq!(denial.error, ErrorCode::UnsafeFiles);
        assert!(denial.hint.unwrap().starts_with("chmod 644"));
    }
}
