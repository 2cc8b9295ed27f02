//! `zones import|list|outlets`.

use outlet_core::domain::field::DocumentRef;
use outlet_core::zones::{LayerHead, ZoneKind};

use super::Outcome;
use super::ledger::word;
use crate::cli::zones::{ZonesCommand, ZonesImportArgs};
use crate::engine::Engine;
use crate::error::{CommandError, Exit};
use crate::layers;
use crate::ui::{self, Ui};
use crate::zones::{self, InZones, Listed};

pub(super) fn zones(command: &ZonesCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    match command {
        ZonesCommand::Import(args) => load(args, engine, ui),
        ZonesCommand::List => list(engine, ui),
        ZonesCommand::Outlets { kinds } => outlets(engine, kinds, ui),
    }
}

fn load(args: &ZonesImportArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    let by = super::who(engine, args.by.as_deref(), outlet_core::identity::Role::Admin)?;
    let raw = layers::read(&args.file, args.encoding.as_deref())?;
    let head = LayerHead {
        name: args.name.clone(),
        version: args.layer_version.clone(),
        kind: args.kind,
        datum: args.datum,
        document: DocumentRef { number: args.document.clone(), dated: Some(args.document_dated), file: None },
        established_on: args.established_on,
    };
    let loaded = layers::load(engine, &head, raw, &by, args.dry_run)?;
    ui.show(&loaded, |loaded| {
        let mut lines: Vec<String> = loaded
            .problems
            .iter()
            .map(|problem| {
                let kind = if problem.error { "error" } else { "note" };
                format!("{kind} {} {}: {}", problem.zone, problem.code, problem.message)
            })
            .collect();
        let state = if loaded.stored { "stored" } else { "not stored" };
        lines.push(format!(
            "{state}: {} {}, {} zones of {}",
            loaded.name,
            loaded.version,
            loaded.zones,
            loaded.kind.label()
        ));
        lines.join("\n")
    })?;
    if loaded.refused() {
        return Err(CommandError::user(format!("{} cannot be used as it is; nothing was stored", args.file.display()))
            .hint("correct what is listed above in a GIS, then import it again"));
    }
    Ok(Exit::Ok)
}

fn list(engine: &Engine, ui: &mut Ui) -> Outcome {
    let listed = zones::all(engine)?;
    ui.show(&listed, |listed| {
        let line = |layer: &Listed| {
            vec![
                layer.name.clone(),
                layer.version.clone(),
                layer.kind.code().to_owned(),
                layer.datum.clone(),
                layer.document.clone(),
                layer.dated.map(|day| day.to_string()).unwrap_or_default(),
                layer.zones.to_string(),
            ]
        };
        let head = ["name", "version", "kind", "datum", "approval", "dated", "zones"];
        ui::table(&head, &listed.iter().map(line).collect::<Vec<_>>())
    })?;
    Ok(Exit::Ok)
}

fn outlets(engine: &Engine, kinds: &[ZoneKind], ui: &mut Ui) -> Outcome {
    let found = zones::inside(engine, kinds, |_| true)?;
    ui.show(&found, found_text)?;
    Ok(Exit::Ok)
}

fn found_text(found: &InZones) -> String {
    let mut lines: Vec<String> =
        found.missing.iter().map(|kind| format!("unknown: no layer of {kind} is loaded")).collect();
    if found.without_position > 0 {
        lines.push(format!("unknown: {} outlets have no position", found.without_position));
    }
    for source in &found.sources {
        let zones::Source { source: name, kind, of, closed, outlets } = source;
        lines.push(format!("{name} ({}): closed {closed} of {of}", kind.label()));
        lines.extend(outlets.iter().map(|outlet| {
            let older = match outlet.pre_existing {
                Some(true) => "older than the zone",
                Some(false) => "younger than the zone",
                None => "age not known",
            };
            let name = outlet.name.as_deref().unwrap_or("-");
            format!("  {}  {name}  {}  {older}", outlet.outlet.id, word(&outlet.state))
        }));
    }
    lines.join("\n")
}
