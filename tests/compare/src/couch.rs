//! CouchDB-style replication: PouchDB in memory against express-pouchdb over HTTP on loopback, driven
//! by `couch/replicate.mjs`. One JSON document per outlet, holding its entries.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Measured;
use crate::documents::Made;

/// Why it could not be measured, in words.
pub(crate) fn measure(folder: &Path, documents: &[Made]) -> Result<Measured, String> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("couch");
    let place = folder.join("couch");
    std::fs::create_dir(&place).map_err(|error| error.to_string())?;
    for name in ["package.json", "package-lock.json", "replicate.mjs"] {
        std::fs::copy(scripts.join(name), place.join(name)).map_err(|error| format!("{name}: {error}"))?;
    }
    let rows: Vec<Value> = documents
        .iter()
        .enumerate()
        .map(|(number, made)| {
            let entries: Vec<Value> =
                made.entries.iter().map(|entry| serde_json::from_str(entry).expect("entries are JSON")).collect();
            json!({"_id": format!("outlet-{number:06}"), "entries": entries})
        })
        .collect();
    std::fs::write(place.join("documents.json"), Value::from(rows).to_string()).map_err(|error| error.to_string())?;
    run(Command::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&place))?;
    let answer = run(Command::new("node").arg("replicate.mjs").current_dir(&place))?;
    let value: Value = serde_json::from_str(answer.lines().last().unwrap_or_default())
        .map_err(|error| format!("the script answered {answer:?}: {error}"))?;
    let number = |name: &str| value[name].as_f64().ok_or(format!("the script says no {name}"));
    let seconds = |name: &str| Ok::<_, String>(Duration::from_secs_f64(number(name)? / 1000.0));
    Ok(Measured {
        first: seconds("first_ms")?,
        first_bytes: number("first_bytes")?,
        idle: seconds("idle_ms")?,
        idle_bytes: number("idle_bytes")?,
    })
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?} failed: {}", said.lines().next().unwrap_or_default()))
}
