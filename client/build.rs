//! How the client is linked: with the unwinder in it where glibc serves, as a second library to load
//! and bind costs every start a tenth; and with what a `get` runs side by side.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=order.ld");
    let is_linux = target("OS") == "linux";
    if is_linux && target("ENV") == "gnu" {
        // Taken whole: what asks for it is linked later, and would find the shared one.
        for argument in ["--push-state,--whole-archive", "-lgcc_eh", "--pop-state"] {
            link(argument);
        }
    }
    if is_linux && env::var("PROFILE").as_deref() == Ok("release") && is_usual_linker() {
        let here = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        link(&format!("-T,{here}/order.ld"));
    }
}

fn target(name: &str) -> String {
    env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default()
}

fn link(argument: &str) {
    println!("cargo::rustc-link-arg-bins=-Wl,{argument}");
}

/// Whether the linker is GNU's or LLVM's, which know such a script; gold and mold do not.
fn is_usual_linker() -> bool {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    !["fuse-ld=gold", "fuse-ld=mold"]
        .iter()
        .any(|other| flags.contains(other))
}
