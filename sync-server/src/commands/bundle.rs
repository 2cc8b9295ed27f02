//! `bundle import|export` and `history`.

use std::collections::BTreeSet;
use std::sync::Arc;

use outlet_core::doc::{ChangeInfo, RESERVED};
use outlet_core::ids::{ChangeHash, DocKey, DocKind, PublicKey};
use serde::Serialize;
use serde_json::json;

use super::Outcome;
use crate::bundle;
use crate::cli::{BundleCommand, BundlePhotos, HistoryArgs};
use crate::db::records::{self, RunState};
use crate::engine::{Engine, EngineError, projector};
use crate::error::{CommandError, Exit};
use crate::report::{self, Find};
use crate::ui::{self, Ui};

pub(super) fn bundle(command: &BundleCommand, engine: Engine, ui: &mut Ui) -> Outcome {
    match command {
        BundleCommand::Import { file } => import(file, engine, ui),
        BundleCommand::Export { file, collections, photos } => {
            let collections: BTreeSet<_> = collections.iter().copied().collect();
            let photos = match photos {
                BundlePhotos::All => Some(true),
                BundlePhotos::Previews => Some(false),
                BundlePhotos::None => None,
            };
            let exported = bundle::export(&engine, file, &collections, photos)?;
            ui.show(&exported, |exported| {
                format!(
                    "{}: {} items, {} files, {} bytes, sealed for {} devices",
                    file.display(),
                    exported.items,
                    exported.photos,
                    exported.bytes,
                    exported.sealed_for
                )
            })?;
            Ok(Exit::Ok)
        }
    }
}

fn import(file: &std::path::Path, engine: Engine, ui: &mut Ui) -> Outcome {
    let engine = Arc::new(engine);
    let (contents, imported) = bundle::import(&engine, file)?;
    let name = name_of(&engine, &contents.header.maker)?;
    let value = json!({"maker": contents.header.maker, "name": name, "made_at": contents.header.made_at.to_string(),
        "new_changes": imported.new_changes, "changes": imported.changes, "held": imported.held,
        "waiting": imported.waiting, "refused": imported.refused, "elsewhere": imported.elsewhere,
        "photos": imported.files, "known_photos": imported.known_files, "refused_photos": imported.refused_files});
    ui.show(&value, |_| {
        let mut text = format!(
            "carried by {name}: {} new changes of {}, {} held; {} new files, {} known",
            imported.new_changes, imported.changes, imported.held, imported.files, imported.known_files
        );
        for (code, count) in imported.refused.iter().chain(&imported.refused_files) {
            text += &format!("\nnot taken ({code}): {count}");
        }
        text
    })?;
    let whole = imported.refused.is_empty() && imported.refused_files.is_empty() && imported.waiting == 0;
    Ok(if whole { Exit::Ok } else { Exit::Incomplete })
}

fn name_of(engine: &Engine, key: &PublicKey) -> Result<String, CommandError> {
    let roster = engine.database().read::<_, EngineError>(|tx| Ok(engine.folder.roster(tx)?))?;
    let member = roster.membership(key).map(|member| member.name.clone());
    Ok(member
        .unwrap_or_else(|| if roster.is_server(key) { "server".to_owned() } else { format!("key {}", key.short()) }))
}

/// `history --json`: a list of these, in the order of the documents.
#[derive(Debug, Serialize)]
struct Act {
    document: DocKind,
    change: ChangeHash,
    /// Who wrote and signed it.
    author: String,
    author_key: PublicKey,
    /// Whose device brought it to the server: by a session, or on a stick.
    carrier: String,
    carrier_key: PublicKey,
    device_time: String,
    received_at: String,
    state: &'static str,
}

pub(super) fn history(args: &HistoryArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    let key = report::find(engine, &args.id)?.map_err(|why| match why {
        Find::Nothing => CommandError::user(format!("no outlet in the ledger is called {:?}", args.id))
            .hint("`outlet-server ledger export` lists ids, codes and temporary numbers"),
        Find::Several(ids) => {
            let shown: Vec<String> = ids.iter().take(5).map(ToString::to_string).collect();
            CommandError::user(format!("{} outlets fit {:?}", ids.len(), args.id))
                .hint(format!("give more of the id: {}", shown.join(", ")))
        }
    })?;
    let mut acts = Vec::new();
    for kind in [DocKind::Field, DocKind::Case] {
        acts.extend(acts_of(engine, &key.with_kind(kind))?);
    }
    ui.show(&acts, |acts| {
        let rows: Vec<Vec<String>> = acts
            .iter()
            .map(|act| {
                let kind = serde_json::to_value(act.document).ok();
                let kind = kind.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
                let (change, state) = (act.change.short().to_string(), act.state.to_owned());
                vec![kind, change, act.author.clone(), act.carrier.clone(), act.received_at.clone(), state]
            })
            .collect();
        ui::table(&["document", "change", "author", "carried by", "received", "state"], &rows)
    })?;
    Ok(Exit::Ok)
}

fn acts_of(engine: &Engine, doc: &DocKey) -> Result<Vec<Act>, CommandError> {
    let (runs, changes) = engine.database().read::<_, EngineError>(|tx| {
        let changes: Vec<ChangeInfo> = projector::load(tx, doc)?.map(|document| document.history()).unwrap_or_default();
        Ok((records::runs_of(tx, doc)?, changes))
    })?;
    let device_time = |hash: &ChangeHash| changes.iter().find(|change| change.hash == *hash);
    let mut acts = Vec::new();
    for run in runs {
        for change in &run.hashes {
            let info = device_time(change);
            if info.is_some_and(|info| info.actor == RESERVED) {
                continue;
            }
            acts.push(Act {
                document: doc.kind,
                change: *change,
                author: name_of(engine, &run.author)?,
                author_key: run.author,
                carrier: name_of(engine, &run.carrier)?,
                carrier_key: run.carrier,
                device_time: info.map(|info| info.device_time.to_string()).unwrap_or_default(),
                received_at: run.received_at.to_string(),
                state: match run.state {
                    RunState::Admitted => "admitted",
                    RunState::Held => "held",
                    RunState::Waiting => "waiting",
                    RunState::Rejected => "rejected",
                },
            });
        }
    }
    Ok(acts)
}
