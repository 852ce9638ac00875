//! Links the unwinder into the client where glibc serves, as a second library to load and bind
//! costs every start a tenth.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |name: &str| env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        // Taken whole: what asks for it is linked later, and would find the shared one.
        for argument in ["--push-state,--whole-archive", "-lgcc_eh", "--pop-state"] {
            println!("cargo::rustc-link-arg-bins=-Wl,{argument}");
        }
    }
}
