//! The clients of the local socket: each runs the conformance steps of `tests/conformance`, and the
//! editors' own tests run in the real editors.

#![cfg(target_os = "linux")]

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use ac_cred_tests::{
    process::skip,
    world::{Output, Run, World},
};
use serde_json::Value;

/// Names a Neovim that is newer than Debian's.
const NEW_NVIM: &str = "AC_CRED_NEW_NVIM";

fn root() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the workspace is above")
}

fn steps_path() -> PathBuf {
    root().join("tests/conformance/steps.json")
}

/// Whether a value is one of those that the expected one stands for.
fn fits(expected: &Value, value: &Value) -> bool {
    let text = value.as_str();
    match expected {
        Value::String(form) if form.starts_with('<') => match form.as_str() {
            "<any>" => true,
            "<text>" => text.is_some(),
            "<number>" => value.is_u64(),
            "<time>" => text.is_some_and(|text| text.len() == 20 && text.ends_with('Z')),
            "<token>" => text.is_some_and(|text| {
                let is_token = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
                !text.is_empty() && text.chars().all(is_token)
            }),
            _ => false,
        },
        Value::Object(expected) => value.as_object().is_some_and(|value| {
            value.len() == expected.len()
                && expected.iter().all(|(name, expected)| {
                    value.get(name).is_some_and(|value| fits(expected, value))
                })
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            expected == value
        }
    }
}

fn list<'a>(step: &'a Value, name: &str) -> &'a [Value] {
    step[name].as_array().expect("it is a list")
}

#[test]
fn the_rust_client_conforms_to_the_protocol() {
    let world = World::new();
    world.login("acme");
    let steps = fs::read_to_string(steps_path()).unwrap();
    let steps: Value = serde_json::from_str(&steps).unwrap();
    for step in list(&steps, "steps") {
        let name = &step["name"];
        let mut connection = world.connect_json();
        for request in list(step, "send") {
            let line = format!("{request}\n");
            connection.send_bytes(line.as_bytes()).unwrap();
        }
        for expected in list(step, "expect") {
            let response = connection.receive().expect("something comes");
            let response = serde_json::to_value(response).unwrap();
            assert!(fits(expected, &response), "{name}: {response}");
        }
        if step["closed"] == true {
            assert!(connection.receive().is_none(), "{name}: it is not closed");
        }
    }
}

/// A program from the path of this machine, unless it is not installed.
fn installed(name: &str) -> Option<PathBuf> {
    let places = ["/usr/bin", "/usr/local/bin"].map(|place| Path::new(place).join(name));
    if let Some(program) = places.into_iter().find(|program| program.exists()) {
        return Some(program);
    }
    skip(&format!("{name} is not installed; .ci/run installs it"));
    None
}

/// A program that tests an editor's part against a daemon that knows `acme`.
fn tests(world: &World, program: &Path, folder: &str) -> Run {
    world
        .in_path(program)
        .env("AC_CRED_STEPS", steps_path())
        .env("AC_CRED_PROGRAM", world.programs().join("ac-cred"))
        .env("TERM", "dumb")
        .current_dir(root().join(folder))
}

/// Every test that was printed has passed, and there were some.
fn all_passed(output: &Output, closing: &str) {
    let printed = format!("{}{}", output.stdout, output.stderr);
    assert!(output.code == 0, "{printed}");
    assert!(printed.contains(closing), "{printed}");
}

fn in_neovim(program: &Path, runtime: Option<&OsStr>, script: &str) {
    let world = World::new();
    world.login("acme");
    let run = tests(&world, program, "editors/nvim")
        .args(["--headless", "-u", "NONE", "-i", "NONE"])
        .args(["--cmd", "set rtp^=."])
        .args(["-c", "runtime plugin/ac_cred.lua", "-c"])
        .args([format!("luafile test/{script}.lua")]);
    let run = match runtime {
        Some(runtime) => run.env("VIMRUNTIME", runtime),
        None => run,
    };
    all_passed(&run.run(), " passed, 0 failed");
}

#[test]
fn the_neovim_plugin_conforms_and_works_in_debians_neovim() {
    let Some(nvim) = installed("nvim") else {
        return;
    };
    for script in ["conformance", "behaviour"] {
        in_neovim(&nvim, None, script);
    }
}

#[test]
fn the_neovim_plugin_conforms_and_works_in_a_new_neovim() {
    let Some(nvim) = std::env::var_os(NEW_NVIM).map(PathBuf::from) else {
        return skip("no new Neovim is named; .ci/run installs one");
    };
    let installation = nvim.parent().and_then(Path::parent);
    let runtime = installation
        .expect("it lies in bin")
        .join("share/nvim/runtime");
    for script in ["conformance", "behaviour"] {
        in_neovim(&nvim, Some(runtime.as_os_str()), script);
    }
}

#[test]
fn the_vscode_extension_conforms_to_the_protocol() {
    let Some(node) = installed("node") else {
        return;
    };
    if !root().join("editors/vscode/out/socket.js").exists() {
        return skip("the extension is not built; .ci/run builds it");
    }
    let world = World::new();
    world.login("acme");
    let run = tests(&world, &node, "editors/vscode").args(["test/conformance.js"]);
    all_passed(&run.run(), "17 passed, 0 failed");
}

#[test]
fn the_neovim_help_has_tags() {
    let Some(nvim) = installed("nvim") else {
        return;
    };
    let world = World::new();
    let doc = world.home().join("doc");
    fs::create_dir(&doc).unwrap();
    let text = root().join("editors/nvim/doc/ac_cred.txt");
    fs::copy(text, doc.join("ac_cred.txt")).unwrap();
    let run = world.program(nvim).args(["--headless", "-u", "NONE"]);
    let output = run.args(["-i", "NONE", "-c", "helptags doc", "-c", "qall!"]);
    output.run().succeeded();
    let tags = fs::read_to_string(doc.join("tags")).unwrap();
    for tag in ["ac_cred", ":AcCred", "ac_cred.token()"] {
        let line = format!("{tag}\t");
        assert!(tags.lines().any(|found| found.starts_with(&line)), "{tag}");
    }
}

#[test]
fn the_emacs_package_compiles_without_a_warning() {
    let Some(emacs) = installed("emacs") else {
        return;
    };
    let world = World::new();
    let source = root().join("editors/emacs/ac-cred.el");
    fs::copy(source, world.home().join("ac-cred.el")).unwrap();
    let strict = "(setq byte-compile-error-on-warn t)";
    let run = world
        .in_path(emacs)
        .args(["--batch", "-Q", "--eval", strict]);
    let run = run.args(["-f", "batch-byte-compile", "ac-cred.el"]);
    all_passed(&run.run(), "");
    assert!(world.home().join("ac-cred.elc").exists());
}

#[test]
fn the_emacs_package_conforms_and_works() {
    let Some(emacs) = installed("emacs") else {
        return;
    };
    let world = World::new();
    world.login("acme");
    let run = tests(&world, &emacs, "editors/emacs")
        .args(["--batch", "-Q", "-L", ".", "-l", "test/ac-cred-tests.el"])
        .args(["-f", "ert-run-tests-batch-and-exit"]);
    all_passed(&run.run(), "10 results as expected, 0 unexpected");
}
