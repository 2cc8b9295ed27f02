//! The one test binary of the end-to-end tests: real processes, real QUIC on loopback.

#![expect(clippy::print_stderr, reason = "tests print their seeds")]

mod bad_files;
mod browser;
mod crash;
mod ferry;
mod keepalive;
mod layer;
mod links;
mod main_job;
mod readme;
mod resent;
mod surroundings;
mod sync;
mod turns;
mod worklist;

use std::path::PathBuf;

/// The data sets of the repository.
fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fixtures")
}

#[test]
fn no_test_file_is_forgotten() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("suite");
    let main = std::fs::read_to_string(folder.join("main.rs")).expect("this file");
    for entry in std::fs::read_dir(folder).expect("this folder") {
        let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let Some(module) = name.strip_suffix(".rs").filter(|module| *module != "main") else { continue };
        assert!(main.contains(&format!("mod {module};")), "{name} is not in main.rs");
    }
}
