//! Looks for the built front-end before the compiler embeds it, and says what to do when it is not
//! there. It never runs npm: a build takes nothing from the network by itself.

use std::path::Path;

const MISSING: &str = "the console's front-end is not built: run `make web` (it needs node >= 18 and npm; on Debian: \
                       apt-get install nodejs npm), or build without pages: `--no-default-features`";

fn main() {
    println!("cargo::rerun-if-changed=../web/dist");
    println!("cargo::rerun-if-changed=locales");
    if std::env::var_os("CARGO_FEATURE_CONSOLE").is_none() {
        return;
    }
    let folder = Path::new("../web/dist");
    if folder.join("manifest.json").exists() {
        return;
    }
    // A released server without styles would be a mistake; while developing, pages without styles
    // and map are good enough, and say so themselves.
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::error={MISSING}");
        return;
    }
    println!("cargo::warning={MISSING}");
    // The macro that embeds it needs the folder.
    if let Err(error) = std::fs::create_dir_all(folder) {
        println!("cargo::error=cannot make {}: {error}", folder.display());
    }
}
