//! How the usual tests meet the seeds, without libFuzzer.

use std::fs;
use std::path::{Path, PathBuf};

/// At how many places each seed is cut and changed.
const PLACES: usize = 16;

/// Lets a subject take each seed of its target as it is, cut short, and with a byte changed.
pub(crate) fn meet(target: &str, run: fn(&[u8])) {
    for seed in seeds(target) {
        let bytes = fs::read(&seed).expect("a seed can be read");
        run(&bytes);
        for place in (0..bytes.len()).step_by(bytes.len().div_ceil(PLACES).max(1)) {
            run(&bytes[..place]);
            let mut changed = bytes.clone();
            changed[place] ^= 0x15;
            run(&changed);
        }
    }
}

fn seeds(target: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/seeds")
        .join(target);
    let files = fs::read_dir(directory).expect("the seeds are there");
    let mut paths: Vec<PathBuf> = files
        .map(|file| file.expect("they can be listed").path())
        .collect();
    paths.sort();
    assert!(paths.len() > 2, "the seeds of {target} have moved");
    paths
}
