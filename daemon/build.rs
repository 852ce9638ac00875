//! How the daemon is linked: with what it usually runs side by side, so that little of it is in memory.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=order.ld");
    let said = |name: &str| env::var(name).unwrap_or_default();
    // GNU's linker and LLVM's know such a script; gold and mold do not.
    let flags = said("CARGO_ENCODED_RUSTFLAGS");
    let is_usual = !["fuse-ld=gold", "fuse-ld=mold"]
        .iter()
        .any(|other| flags.contains(other));
    if said("CARGO_CFG_TARGET_OS") == "linux" && said("PROFILE") == "release" && is_usual {
        let here = said("CARGO_MANIFEST_DIR");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{here}/order.ld");
    }
}
