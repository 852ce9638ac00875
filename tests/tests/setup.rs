//! `ac-cred setup`: what goes into an MCP client's configuration, and nothing else there changes.

#![cfg(target_os = "linux")]

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use ac_cred_tests::world::{Output, World};
use serde_json::Value;

/// Each client, its file below the home, and where the entry is in it.
const CLIENTS: [(&str, &str, &str); 8] = [
    ("claude", ".claude.json", "/mcpServers/appcircle"),
    ("codex", ".codex/config.toml", "/mcp_servers/appcircle"),
    ("gemini", ".gemini/settings.json", "/mcpServers/appcircle"),
    ("cursor", ".cursor/mcp.json", "/mcpServers/appcircle"),
    ("vscode", ".config/Code/User/mcp.json", "/servers/appcircle"),
    (
        "windsurf",
        ".codeium/windsurf/mcp_config.json",
        "/mcpServers/appcircle",
    ),
    (
        "zed",
        ".config/zed/settings.json",
        "/context_servers/appcircle",
    ),
    (
        "copilot",
        ".copilot/mcp-config.json",
        "/mcpServers/appcircle",
    ),
];

/// A world in which `acme` is logged in.
fn world() -> World {
    let world = World::new();
    world.login("acme");
    world
}

fn setup(world: &World, words: &[&str]) -> Output {
    world.ac_cred(["setup"]).args(words).run()
}

/// A configuration as the client reads it.
fn parsed(client: &str, text: &str) -> Value {
    if client == "codex" {
        let table: toml::Table = toml::from_str(text).expect("it is TOML");
        serde_json::to_value(table).expect("TOML is less than JSON")
    } else {
        serde_json::from_str(text).expect("it is JSON")
    }
}

fn backup(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".ac-cred-backup");
    name.into()
}

#[test]
fn every_client_is_told_the_bridge_by_its_absolute_path() {
    let world = world();
    let program = world.programs().join("ac-cred");
    for (client, file, entry) in CLIENTS {
        let printed = setup(&world, &[client, "acme"]);
        let shown = parsed(client, &printed.succeeded().stdout);
        let path = world.home().join(file);
        assert!(!path.exists(), "{client}: printing writes nothing");
        let typed = format!(
            "{}; run: ac-cred setup {client} acme --write",
            path.display()
        );
        printed.says(&typed);
        let written = setup(&world, &[client, "acme", "--write"]);
        written.succeeded();
        let found = parsed(client, &fs::read_to_string(&path).unwrap());
        assert_eq!(found, shown, "{client}");
        let found = found.pointer(entry).expect("it has the entry");
        assert_eq!(found["command"], program.to_str().unwrap(), "{client}");
        assert_eq!(
            found["args"],
            serde_json::json!(["mcp", "acme"]),
            "{client}"
        );
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{client}");
        setup(&world, &[client, "--remove"]).succeeded();
        assert!(!path.exists(), "{client}: it held nothing else");
    }
}

#[test]
fn a_client_that_is_told_another_folder_is_set_up_there() {
    let world = world();
    let folder = world.home().join("elsewhere");
    for (client, variable, file) in [
        ("claude", "CLAUDE_CONFIG_DIR", ".claude.json"),
        ("codex", "CODEX_HOME", "config.toml"),
        ("gemini", "GEMINI_CLI_HOME", ".gemini/settings.json"),
        ("copilot", "COPILOT_HOME", "mcp-config.json"),
    ] {
        let setup = world.ac_cred(["setup", client, "acme", "--write"]);
        setup.env(variable, &folder).run().succeeded();
        assert!(folder.join(file).is_file(), "{client}");
    }
    for (_, file, _) in CLIENTS {
        assert!(!world.home().join(file).exists(), "{file}");
    }
}

#[test]
fn a_helper_is_a_command_with_the_organizations_server_for_those_who_can() {
    let world = World::new();
    let account = world.account("acme");
    let login = world.login_with("acme", account.key);
    let url = "https://mcp.example.com";
    login
        .args(["--store", "memory", "--mcp-url", url])
        .run()
        .succeeded();
    for (client, _, entry) in CLIENTS {
        let printed = setup(&world, &[client, "acme", "--helper"]);
        let setting = match client {
            "claude" => "headersHelper",
            "codex" => "http_headers_helper",
            _ => {
                printed.refused(2).says("--bridge");
                continue;
            }
        };
        let shown = parsed(client, &printed.succeeded().stdout);
        let shown = shown.pointer(entry).expect("it has the entry");
        assert_eq!(shown["url"], url);
        let command = shown[setting].as_str().unwrap();
        let program = world.programs().join("ac-cred");
        let expected = format!("{} get acme --format headers", program.display());
        assert_eq!(command, expected);
        let headers = world.program("/bin/sh").args(["-c", command]).run();
        assert!(headers.succeeded().json()["Authorization"].is_string());
    }
}

#[test]
fn a_file_of_a_person_changes_in_one_place_and_becomes_what_it_was() {
    let world = world();
    let odd = "// mine\n{\n\t\"z\": 1.50, /* odd */\n\t\"servers\": {\n\t\t\"other\": { \"command\": \"x\" }, // end\n\t},\n}\n";
    let path = world.write(".config/Code/User/mcp.json", odd);
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let written = setup(&world, &["vscode", "--write"]);
    let diff = &written.succeeded().stdout;
    assert!(
        diff.starts_with(&format!("--- {}\n", path.display())),
        "{diff}"
    );
    assert!(diff.contains("\n+\t\t\"appcircle\": {\n"), "{diff}");
    assert!(
        !diff.lines().skip(2).any(|line| line.starts_with('-')),
        "{diff}"
    );
    let after = fs::read_to_string(&path).unwrap();
    for kept in [
        "// mine\n{\n\t\"z\": 1.50, /* odd */\n",
        "{ \"command\": \"x\" }",
        "// end\n",
    ] {
        assert!(after.contains(kept), "{kept}: {after}");
    }
    for file in [&path, &backup(&path)] {
        let mode = fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{}", file.display());
    }
    assert_eq!(fs::read_to_string(backup(&path)).unwrap(), odd);
    let again = setup(&world, &["vscode", "--write"]);
    assert_eq!(again.succeeded().stdout, "");
    again.says("has it already");
    assert_eq!(fs::read_to_string(backup(&path)).unwrap(), odd);
    setup(&world, &["vscode", "--remove"]).succeeded();
    assert_eq!(fs::read_to_string(&path).unwrap(), odd, "to the last byte");
    let gone = setup(&world, &["vscode", "--remove"]);
    gone.succeeded().says("has no entry appcircle");
}

#[test]
fn what_was_changed_since_is_kept_when_the_entry_goes() {
    let world = world();
    let path = world.write(".codex/config.toml", "# mine\nmodel = \"o\"\n");
    setup(&world, &["codex", "--write"]).succeeded();
    let after = fs::read_to_string(&path).unwrap();
    fs::write(&path, after.replace("\"o\"", "\"p\"")).unwrap();
    setup(&world, &["codex", "--remove"]).succeeded();
    assert_eq!(
        fs::read_to_string(&path).unwrap().trim_end(),
        "# mine\nmodel = \"p\""
    );
}

#[test]
fn a_file_that_cannot_be_understood_is_not_touched() {
    let world = world();
    for (client, file, _) in CLIENTS {
        for broken in ["{\"a\": marker", "[1]\n[", "\u{feff}\u{0}"] {
            let path = world.write(file, broken);
            for deed in ["--write", "--remove"] {
                let output = setup(&world, &[client, deed]);
                output.refused(2).says("is not touched");
                assert!(!output.stderr.contains("marker"), "{client}: {output:?}");
            }
            assert_eq!(fs::read_to_string(&path).unwrap(), broken);
            assert!(!backup(&path).exists());
        }
    }
}

#[test]
fn an_entry_of_somebody_else_is_replaced_with_a_backup_and_not_removed() {
    let world = world();
    let theirs = "{\"mcpServers\":{\"appcircle\":{\"url\":\"https://mcp.appcircle.io\"}}}";
    let path = world.write(".cursor/mcp.json", theirs);
    setup(&world, &["cursor", "--remove"])
        .refused(2)
        .says("is not one of ac-cred's");
    assert_eq!(fs::read_to_string(&path).unwrap(), theirs);
    setup(&world, &["cursor", "--write"]).succeeded();
    assert!(!fs::read_to_string(&path).unwrap().contains("url"));
    setup(&world, &["cursor", "--remove"]).succeeded();
    assert_eq!(fs::read_to_string(&path).unwrap(), theirs);
    assert!(!backup(&path).exists(), "the file is what it kept");
}

#[test]
fn a_link_is_followed_and_stays_one_but_leads_nowhere_else_than_to_an_own_file() {
    let world = world();
    let real = world.write("dotfiles/settings.json", "{\n  \"theme\": \"x\"\n}\n");
    fs::create_dir(world.home().join(".gemini")).unwrap();
    let link = world.home().join(".gemini/settings.json");
    symlink(&real, &link).unwrap();
    setup(&world, &["gemini", "--write"]).succeeded();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&real).unwrap().contains("appcircle"));
    for elsewhere in ["/dev/null", "/nowhere/at/all", "/tmp"] {
        fs::remove_file(&link).unwrap();
        symlink(elsewhere, &link).unwrap();
        setup(&world, &["gemini", "--write"])
            .refused(6)
            .says("is not touched");
    }
}

#[test]
fn which_organization_is_meant_has_to_be_clear() {
    let world = World::new();
    let before = setup(&world, &["gemini"]);
    let shown = before.succeeded().json();
    let words = &shown["mcpServers"]["appcircle"]["args"];
    assert_eq!(words, &serde_json::json!(["mcp"]), "the one there will be");
    setup(&world, &["gemini", "acme"]).refused(3).says("acme");
    world.login("acme");
    let only = setup(&world, &["gemini"]).succeeded().json();
    assert_eq!(only["mcpServers"]["appcircle"]["args"][1], "acme");
    world.login("other");
    world.ac_cred(["logout", "acme"]).run().succeeded();
    world.login("third");
    let several = setup(&world, &["gemini"]);
    several.refused(3).says("no organization is chosen");
    setup(&world, &["gemini", "--org", "third"]).succeeded();
}

#[test]
fn words_that_exclude_each_other_are_refused() {
    let world = world();
    for words in [
        &["claude", "--write", "--remove"][..],
        &["claude", "--helper", "--bridge"],
        &["emacs"],
        &["claude", "acme", "--org", "other", "third"],
    ] {
        setup(&world, words).refused(2);
    }
}
