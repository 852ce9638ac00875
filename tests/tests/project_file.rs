//! The file by which a directory chooses an organization: found upwards, trusted once, and never
//! able to do anything else.

#![cfg(target_os = "linux")]

use std::{
    ffi::OsStr,
    fs::{self, Permissions},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt, fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
};

use ac_cred_tests::{
    process::{STRANGER, is_root_or_skips},
    world::{Output, Run, World},
};
use rustix::{
    fs::{CWD, Mode, chown, mkfifoat},
    process::{Gid, Uid},
};
use serde_json::json;

const FILE: &str = ".ac-cred.toml";

/// What puts something at a path.
type Make<'a> = &'a dyn Fn(&Path);

#[test]
fn the_nearest_file_upwards_comes_after_what_is_said_and_before_the_default() {
    let place = Place::new(["acme", "beta", "team"]);
    place.world.ac_cred(["use", "team"]).run().succeeded();
    let outer = place.directory("project");
    let inner = place.directory("project/inner");
    let deep = place.directory("project/inner/a/b/c");
    assert_eq!(place.meant(&deep), "team");
    place.use_here(&outer, "acme");
    assert_eq!(place.meant(&deep), "acme");
    place.use_here(&inner, "beta");
    assert_eq!(place.meant(&deep), "beta");
    assert_eq!(place.meant(&outer), "acme");
    assert_eq!(place.meant(place.world.home()), "team");
    let said = |words: &[&str], variable: &str| {
        let run = place
            .run_in(&deep, &["get", "--format", "json"])
            .args(words);
        let lease = run.env("AC_CRED_ORG", variable).run();
        lease.succeeded().json()["organization"].clone()
    };
    assert_eq!(said(&[], "team"), "team");
    assert_eq!(said(&[], ""), "beta");
    assert_eq!(said(&["--org", "acme"], "team"), "acme");
    assert_eq!(said(&["team"], ""), "team");
}

#[test]
fn a_file_may_name_the_guid_and_every_command_heeds_it() {
    let place = Place::new(["acme", "beta"]);
    let here = place.directory("project");
    let id = place.world.status()["organizations"][1]["organization_id"].clone();
    place.use_here(&here, id.as_str().unwrap());
    assert_eq!(place.meant(&here), "beta");
    let said = |words: &[&str]| place.run_in(&here, words).run();
    assert!(
        said(&["status", "--short"])
            .succeeded()
            .stdout
            .starts_with("beta ")
    );
    said(&["reject"]).succeeded();
    let last = place.world.status()["organizations"][1]["last_exchange"].clone();
    assert_eq!(last["outcome"], "ok");
    said(&["logout"]).succeeded().says("beta forgotten");
    assert_eq!(place.world.ac_cred(["list"]).run().stdout, "acme\n");
}

#[test]
fn a_file_that_use_here_did_not_write_is_approved_once_and_again_when_it_names_another() {
    let place = Place::new(["acme", "beta"]);
    let here = place.directory("clone");
    let deep = place.directory("clone/src");
    let file = here.join(FILE);
    fs::write(&file, "organization = \"acme\"\n").unwrap();
    let refused = place.run_in(&deep, &["get"]).run();
    let told = format!("{} names acme", file.display());
    refused
        .refused(6)
        .says(&told)
        .says("run: ac-cred use --approve");
    let json = place.run_in(&deep, &["get", "--format", "json"]).run();
    assert_eq!(json.refused(6).error()["error"], "not_approved");
    for words in [
        &["which"][..],
        &["status", "--short"],
        &["reject"],
        &["logout"],
    ] {
        place.run_in(&deep, words).run().refused(6);
    }
    let approved = place.run_in(&deep, &["use", "--approve"]).run();
    approved
        .succeeded()
        .says(&format!("{} is approved", file.display()));
    assert_eq!(approved.stdout, "");
    assert_eq!(place.meant(&deep), "acme");

    fs::write(&file, "organization = \"beta\"\n").unwrap();
    place.run_in(&deep, &["get"]).run().refused(6);
    place.run_in(&deep, &["use", "--approve"]).run().succeeded();
    assert_eq!(place.meant(&deep), "beta");
    // What was approved before does not count any more.
    fs::write(&file, "organization = \"acme\"\n").unwrap();
    place.run_in(&deep, &["get"]).run().refused(6);

    // Another place is another file.
    let copy = place.directory("copy");
    fs::copy(&file, copy.join(FILE)).unwrap();
    place.run_in(&copy, &["get"]).run().refused(6);
    assert_eq!(place.world.sim().exchange_count(), 2);
}

#[test]
fn what_is_said_needs_no_approval_and_reads_no_file() {
    let place = Place::new(["acme", "beta"]);
    let here = place.directory("clone");
    fs::write(here.join(FILE), "nonsense").unwrap();
    for words in [&["get", "acme"][..], &["get", "--org", "acme"]] {
        place.run_in(&here, words).run().succeeded();
    }
    let run = place.run_in(&here, &["get"]).env("AC_CRED_ORG", "acme");
    run.run().succeeded();
}

#[test]
fn any_other_key_is_refused_and_cannot_be_approved() {
    let place = Place::new(["acme", "beta"]);
    let here = place.directory("clone");
    for text in [
        "organization = 'acme'\nauth_url = 'https://marker.example'\n",
        "organization = 'acme'\n[organizations.acme]\nauth_url = 'https://marker.example'\n",
        "organization = 'acme'\nproxy = 'http://marker.example'\n",
        "organization = 'marker;\u{1b}[2J'\n",
        "organization = \"acme\\u001b[31m\"\n",
        "organization = \"acme\n",
        "organization = 'acme\u{202e}'\n",
        "organization = '$(marker)'\n",
        "marker\u{1b}]0;marker\u{7}\n",
        "\u{0}\u{0}\u{0}",
        "",
    ] {
        fs::write(here.join(FILE), text).unwrap();
        for words in [&["get"][..], &["which"], &["use", "--approve"]] {
            let output = place.run_in(&here, words).run();
            output.refused(6).says("and nothing else");
            assert!(!output.stderr.contains("marker"), "{text:?}: {output:?}");
            assert_shows_nothing_odd(&output);
        }
    }
    let output = place.run_in(&here, &["use", "--here", "acme"]).run();
    output.refused(6);
    assert_eq!(fs::read_to_string(here.join(FILE)).unwrap(), "");
}

#[test]
fn what_is_no_plain_file_is_refused_at_once() {
    let place = Place::new(["acme", "beta"]);
    let real = place
        .world
        .write("elsewhere.toml", "organization = 'acme'\n");
    let made: [(&str, Make<'_>); 7] = [
        ("link", &|path| symlink(&real, path).unwrap()),
        ("loop", &|path| symlink(path, path).unwrap()),
        ("device", &|path| symlink("/dev/zero", path).unwrap()),
        ("fifo", &|path| {
            mkfifoat(CWD, path, Mode::from_raw_mode(0o644)).unwrap();
        }),
        ("socket", &|path| {
            drop(UnixListener::bind(path).unwrap());
        }),
        ("directory", &|path| fs::create_dir(path).unwrap()),
        ("endless", &|path| {
            let file = fs::File::create(path).unwrap();
            file.set_len(1 << 40).unwrap();
        }),
    ];
    for (name, make) in made {
        let here = place.directory(name);
        make(&here.join(FILE));
        for words in [
            &["get"][..],
            &["use", "--approve"],
            &["use", "--here", "acme"],
        ] {
            let output = place.run_in(&here, words).run();
            output
                .refused(6)
                .says(&here.join(FILE).display().to_string());
        }
    }
    for bytes in [&b"\xff\xfe"[..], &[0xc3; 5_000]] {
        let here = place.directory("binary");
        fs::write(here.join(FILE), bytes).unwrap();
        let output = place.run_in(&here, &["get"]).run();
        assert_shows_nothing_odd(output.refused(6));
    }
}

#[test]
fn a_directory_with_a_hostile_name_steers_nothing() {
    let place = Place::new(["acme", "beta"]);
    let here = place.directory("a\u{1b}[2J'$(reboot)`\"\n\u{202e}b");
    fs::write(here.join(FILE), "organization = 'acme'\n").unwrap();
    let output = place.run_in(&here, &["get"]).run();
    assert_shows_nothing_odd(output.refused(6));
    assert!(
        output.stderr.ends_with("; run: ac-cred use --approve\n"),
        "{output:?}"
    );
    place.run_in(&here, &["use", "--approve"]).run().succeeded();
    assert_eq!(place.meant(&here), "acme");
    let which = place.run_in(&here, &["which", "--json"]).run();
    assert_shows_nothing_odd(which.succeeded());

    let bytes = place.world.home().join(OsStr::from_bytes(b"\xff"));
    fs::create_dir(&bytes).unwrap();
    fs::write(bytes.join(FILE), "organization = 'acme'\n").unwrap();
    place.run_in(&bytes, &["get"]).run().refused(6);
    let output = place.run_in(&bytes, &["use", "--approve"]).run();
    output.refused(6).says("not UTF-8");
    // What was approved before is still there.
    assert_eq!(place.meant(&here), "acme");
}

#[test]
fn a_strangers_file_stops_nobody_where_everybody_may_write_and_is_not_trusted_elsewhere() {
    if !is_root_or_skips() {
        return;
    }
    let place = Place::new(["acme", "beta"]);
    place.world.ac_cred(["use", "beta"]).run().succeeded();
    let shared = place.directory("shared");
    let below = place.directory("shared/mine");
    let file = shared.join(FILE);
    fs::write(&file, "organization = 'acme'\n").unwrap();
    give_away(&file);
    place.run_in(&below, &["get"]).run().refused(6);
    fs::set_permissions(&shared, Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(place.meant(&below), "beta");
    // Nor does one that cannot be read, or is none.
    fs::set_permissions(&file, Permissions::from_mode(0o000)).unwrap();
    assert_eq!(place.meant(&below), "beta");
    fs::remove_file(&file).unwrap();
    mkfifoat(CWD, &file, Mode::from_raw_mode(0o666)).unwrap();
    give_away(&file);
    assert_eq!(place.meant(&below), "beta");
    // Not even when its user asks for it.
    let output = place.run_in(&below, &["use", "--approve"]).run();
    output.refused(3).says("there is no .ac-cred.toml");
}

#[test]
fn nothing_above_the_home_is_looked_at_from_below_it() {
    let place = Place::new(["acme", "beta"]);
    place.world.ac_cred(["use", "beta"]).run().succeeded();
    fs::write(place.world.home().join(FILE), "nonsense").unwrap();
    let home = place.directory("home");
    let project = place.directory("home/project");
    let settings = place.world.home().join(".config");
    symlink(settings, home.join(".config")).unwrap();
    let get = |directory: &Path| place.run_in(directory, &["get"]).env("HOME", &home).run();
    get(&home).succeeded();
    get(&project).succeeded();
    get(&place.directory("outside")).refused(6);
}

#[test]
fn a_directory_that_is_gone_chooses_nothing() {
    let place = Place::new(["acme"]);
    place.directory("gone");
    let line = "cd gone && rmdir ../gone && ac-cred get";
    place.world.shell(line).run().succeeded();
}

#[test]
fn use_here_writes_a_file_that_others_may_read_and_replaces_only_what_it_understands() {
    let place = Place::new(["acme", "beta"]);
    let here = place.directory("project");
    let file = here.join(FILE);
    let line = format!("cd project && umask 0 && ac-cred use --here acme && stat -c %a {FILE}");
    let output = place.world.shell(&line).run();
    assert_eq!(output.succeeded().stdout, "644\n");
    output.says("acme is the organization here and below");
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "organization = \"acme\"\n"
    );
    place.use_here(&here, "beta");
    assert_eq!(place.meant(&here), "beta");
    assert_eq!(fs::read_dir(&here).unwrap().count(), 1);

    place
        .run_in(&here, &["use", "--here", "akme"])
        .run()
        .refused(3);
    place.run_in(&here, &["use", "--here"]).run().refused(2);
    place
        .run_in(&here, &["use", "--approve", "acme"])
        .run()
        .refused(2);
    place
        .run_in(&here, &["use", "--approve", "--here"])
        .run()
        .refused(2);
    let nowhere = place.directory("nowhere");
    let output = place.run_in(&nowhere, &["use", "--approve"]).run();
    output
        .refused(3)
        .says("there is no .ac-cred.toml here or above");
    assert_eq!(place.meant(&here), "beta");
}

#[test]
fn approvals_are_private_are_verified_and_survive_a_crowd() {
    let place = Place::new(["acme", "beta"]);
    let kept = place.world.home().join(".local/state/ac-cred/approved");
    let crowd: Vec<_> = (0..20).map(|n| place.directory(&format!("p{n}"))).collect();
    let running: Vec<_> = crowd
        .iter()
        .map(|here| place.run_in(here, &["use", "--here", "acme"]).spawn())
        .collect();
    for run in running {
        run.wait().succeeded();
    }
    for here in &crowd {
        assert_eq!(place.meant(here), "acme");
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&kept), 0o600);
    assert_eq!(mode(kept.parent().unwrap()), 0o700);

    let get = || place.run_in(&crowd[0], &["get"]).run();
    fs::set_permissions(&kept, Permissions::from_mode(0o666)).unwrap();
    get().refused(6).says("run: chmod 600");
    fs::set_permissions(&kept, Permissions::from_mode(0o600)).unwrap();
    get().succeeded();
    let moved = kept.with_extension("moved");
    fs::rename(&kept, &moved).unwrap();
    symlink(&moved, &kept).unwrap();
    get().refused(6);
    fs::remove_file(&kept).unwrap();
    fs::write(&kept, "not a line of ours\n{}\n").unwrap();
    fs::set_permissions(&kept, Permissions::from_mode(0o600)).unwrap();
    get().refused(6).says("run: ac-cred use --approve");
}

#[test]
fn where_nothing_can_be_kept_nothing_is_approved() {
    let place = Place::new(["acme", "beta"]);
    let here = place.directory("project");
    fs::write(here.join(FILE), "organization = 'acme'\n").unwrap();
    let homeless = |words: &[&str]| {
        place
            .run_in(&here, words)
            .env("HOME", "/proc/nonexistent")
            .run()
    };
    homeless(&["get"]).refused(6).says("use --approve");
    homeless(&["use", "--approve"]).refused(6);
    homeless(&["get", "acme"]).succeeded();
}

#[test]
fn which_says_what_get_would_use_and_why() {
    let place = Place::new(["acme"]);
    let here = place.directory("project");
    let which = |variable: &str| {
        place
            .run_in(&here, &["which"])
            .env("AC_CRED_ORG", variable)
            .run()
    };
    let check = |output: &Output, name: &str, why: &str| {
        assert_eq!(output.succeeded().stdout, format!("{name}\n"));
        output.says(why);
    };
    check(&which(""), "acme", "because it is the only one");
    place.world.login("beta");
    which("").refused(3).says("acme, beta");
    place.world.ac_cred(["use", "acme"]).run().succeeded();
    check(&which(""), "acme", "because it is the default");
    place.use_here(&here, "beta");
    let file = here.join(FILE).display().to_string();
    check(&which(""), "beta", &format!("because {file} says so"));
    check(&which("acme"), "acme", "because AC_CRED_ORG says so");
    which("akme").refused(3);

    let json = || {
        place
            .run_in(&here, &["which", "--json"])
            .run()
            .succeeded()
            .json()
    };
    let with_daemon = json();
    assert!(with_daemon["daemon"]["pid"].is_u64(), "{with_daemon}");
    place.world.stop();
    let id = with_daemon["organization_id"].clone();
    assert_eq!(
        json(),
        json!({
            "version": 1, "daemon": null, "organization": "beta", "organization_id": id,
            "reason": "file", "file": file,
        })
    );
    which("").succeeded().says("no daemon is running");
    assert!(place.world.daemons().is_empty(), "which started a daemon");
}

/// A world whose programs run in directories of their own.
struct Place {
    world: World,
}

impl Place {
    fn new<const COUNT: usize>(names: [&str; COUNT]) -> Self {
        let world = World::new();
        for name in names {
            world.login(name);
        }
        Self { world }
    }

    fn directory(&self, name: &str) -> PathBuf {
        let directory = self.world.home().join(name);
        fs::create_dir_all(&directory).expect("a directory can be made in the home");
        directory
    }

    fn run_in(&self, directory: &Path, words: &[&str]) -> Run {
        self.world.ac_cred(words).current_dir(directory)
    }

    #[track_caller]
    fn use_here(&self, directory: &Path, name: &str) {
        let run = self.run_in(directory, &["use", "--here", name]);
        run.run().succeeded();
    }

    /// The organization whose token `get` prints in a directory.
    #[track_caller]
    fn meant(&self, directory: &Path) -> String {
        let lease = self.run_in(directory, &["get", "--format", "json"]).run();
        let name = lease.succeeded().json()["organization"].clone();
        // The form without the parser finds the same.
        let plain = self.run_in(directory, &["get"]).run();
        let token = lease.json()["access_token"].clone();
        assert_eq!(Some(plain.succeeded().stdout.trim_end()), token.as_str());
        name.as_str().expect("a lease names it").to_owned()
    }
}

fn give_away(path: &Path) {
    let (owner, group) = (Uid::from_raw(STRANGER), Gid::from_raw(STRANGER));
    chown(path, Some(owner), Some(group)).expect("root may give files away");
}

/// Fails when what was said holds something that steers a terminal.
#[track_caller]
fn assert_shows_nothing_odd(output: &Output) {
    for text in [&output.stdout, &output.stderr] {
        let odd = text
            .chars()
            .find(|&c| (c.is_control() && c != '\n') || c == '\u{202e}');
        assert_eq!(odd, None, "{output:?}");
        assert!(text.lines().count() <= 1, "{output:?}");
    }
}
