//! The extension in a real VS Code, driven by a browser; `.ci/vscode` installs both and runs this.

#![cfg(target_os = "linux")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use ac_cred_tests::{mcp_sim::McpSim, process::skip, world::World};

/// Names the folder with code-server, its Node and a driver for the browser.
const INSTALLED: &str = "AC_CRED_CODE_SERVER";
/// Names the packed extension.
const PACKED: &str = "AC_CRED_VSIX";
/// Names the file for a picture, and the one for a picture of a failure.
const PICTURES: [&str; 2] = ["AC_CRED_PICTURE", "AC_CRED_FAILURE"];

fn said(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

#[test]
fn the_extension_works_in_a_real_vscode() {
    let (Some(installed), Some(packed)) = (said(INSTALLED), said(PACKED)) else {
        return skip("no code-server is named; .ci/vscode installs one");
    };
    let (world, server) = (World::new(), McpSim::start());
    let account = world.account("acme");
    let login = world.login_with("acme", &account.key);
    let login = login.args(["--store", "memory", "--mcp-url", &server.url()]);
    login.run().succeeded();
    world.login("beta");
    let listed = world.write("listed", "");
    let list = listed.clone();
    server.observe(Box::new(move |seen| {
        if seen.method == "tools/list" {
            fs::write(&list, &seen.token).expect("a file of the test can be written");
        }
    }));
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = tests.join("../editors/vscode/test/in-code-server.js");
    let mut run = world
        .in_path(installed.join("bin/node"))
        .args([script])
        .env(INSTALLED, &installed)
        .env(PACKED, packed)
        .env("AC_CRED_PROGRAM", world.programs().join("ac-cred"))
        .env("AC_CRED_KEY", &account.key)
        .env("AC_CRED_LISTED", &listed);
    for name in PICTURES {
        if let Some(path) = said(name) {
            run = run.env(name, path);
        }
    }
    let output = run.patient(Duration::from_mins(10)).run();
    let printed = format!("{}{}", output.stdout, output.stderr);
    assert!(output.code == 0, "{printed}");
    assert!(printed.contains("11 passed, 0 failed"), "{printed}");
    assert_eq!(server.refusals(), 0);
}
