//! `outlet show`: everything this device knows of one outlet, and how it came about.

use std::collections::BTreeMap;

use clap::Args;
use outlet_core::doc::{ChangeInfo, Document, Entry, RESERVED, facts};
use outlet_core::domain::field::FieldEntry;
use outlet_core::ids::{ChangeHash, DocKey, DocKind, PublicKey};
use outlet_core::store::{BlobState, Returned};
use serde_json::{Map, Value, json};

use super::Outcome;
use super::list::returned_text;
use crate::context::Context;
use crate::error::Result;

/// Show an outlet: facts, visits, samples, traces, photos, decisions, conflicts.
///
/// `?` after a value marks a gated fact in conflict: every candidate is listed, and a supervisor
/// ends it with `outlet case settle`. Entry ids are what --corrects and --overrules take.
///
/// Example:
///   outlet show T-12
///   outlet show 019a0c3e --history
///
/// JSON: {"id", "collection", "temporary_number", "state", "facts": {FIELD: {"value", "entry", "by",
/// "candidates": [..] if in conflict}}, "conflicts": [FIELD..], "remark", "entries": [{"entry",
/// "type", "by", "device_time", ..}], "case": [..], "photos": [{"sha256", "slot", "state", ..}],
/// "history": [{"document", "change", "by", "device_time", "via", "entries"}] with --history; "via" names who
/// brought the change to this device, null for own ones}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ShowArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// Who wrote what, when on which clock.
    #[arg(long)]
    history: bool,
}

/// Runs `outlet show`.
pub(crate) fn run(ctx: &mut Context<'_>, args: &ShowArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    let value = gather(ctx, &key, args.history)?;
    if ctx.ui.json {
        ctx.ui.data(&value)?;
    } else {
        print(ctx, &value)?;
    }
    Ok(Outcome::Done)
}

fn gather(ctx: &mut Context<'_>, key: &DocKey, history: bool) -> Result<Value> {
    let field = ctx.document(key)?;
    let case_key = key.with_kind(DocKind::Case);
    let case = ctx.document(&case_key)?;
    let mut value = Map::new();
    value.insert("id".to_owned(), json!(key.id));
    value.insert("collection".to_owned(), json!(key.collection));
    value.insert("temporary_number".to_owned(), json!(ctx.temporary_number(key)?));
    value.insert("state".to_owned(), json!(ctx.record_state(key)?));
    let returned = ctx.rows()?.into_iter().find(|row| row.id == key.id).and_then(|row| row.returned);
    if let Some(returned) = returned {
        value.insert("returned".to_owned(), json!(returned));
    }
    let entries = field.as_ref().map(Document::entries).unwrap_or_default();
    let case_entries = case.as_ref().map(Document::entries).unwrap_or_default();
    let open = ctx.open_conflicts(&entries, &case_entries);
    value.insert("facts".to_owned(), facts_of(ctx, &entries, &open));
    value.insert("conflicts".to_owned(), json!(open));
    let registers = field.as_ref().map(Document::registers).unwrap_or_default();
    for (name, register) in registers {
        let others: Vec<&str> = register.others.iter().map(|other| other.value.as_str()).collect();
        value.insert(name.clone(), json!(register.value));
        if !others.is_empty() {
            value.insert(format!("{name}_others"), json!(others));
        }
    }
    let plain = entries.iter().filter(|entry| !is_fact(entry));
    value.insert("entries".to_owned(), plain.map(|entry| entry_value(ctx, entry)).collect());
    value.insert("case".to_owned(), case_entries.iter().map(|entry| entry_value(ctx, entry)).collect());
    value.insert("photos".to_owned(), photos(ctx, &entries)?);
    if history {
        let mut acts = acts(ctx, key, field.as_ref())?;
        acts.extend(self::acts(ctx, &case_key, case.as_ref())?);
        value.insert("history".to_owned(), Value::Array(acts));
    }
    Ok(Value::Object(value))
}

fn is_fact(entry: &Entry) -> bool {
    matches!(entry.parse::<FieldEntry>(), Ok(FieldEntry::Fact(_)))
}

fn facts_of(ctx: &Context<'_>, entries: &[Entry], open: &[String]) -> Value {
    let mut all = Map::new();
    for (field, current) in facts(entries) {
        let Some(last) = current.last() else { continue };
        let mut value = json!({"value": last.value, "entry": last.entry, "by": ctx.author(&last.origin.actor.key())});
        if open.contains(&field) {
            let candidates = current.iter().map(|fact| {
                json!({"value": fact.value, "entry": fact.entry, "by": ctx.author(&fact.origin.actor.key()),
                    "device_time": fact.origin.device_time.to_string()})
            });
            value["candidates"] = candidates.collect();
        }
        all.insert(field, value);
    }
    Value::Object(all)
}

/// The stored object with its id and author in front. An entry that this version does not know is
/// shown as it is.
fn entry_value(ctx: &Context<'_>, entry: &Entry) -> Value {
    let mut value = Map::new();
    value.insert("entry".to_owned(), json!(entry.id));
    value.insert("by".to_owned(), json!(ctx.author_of(entry)));
    value.insert("device_time".to_owned(), json!(entry.origin.device_time.to_string()));
    match serde_json::from_str(&entry.json) {
        Ok(Value::Object(stored)) => value.extend(stored),
        _ => {
            value.insert("unknown".to_owned(), json!(&*entry.json));
        }
    }
    Value::Object(value)
}

fn photos(ctx: &mut Context<'_>, entries: &[Entry]) -> Result<Value> {
    let mut photos = Vec::new();
    for entry in entries {
        if let Ok(FieldEntry::Photo(photo)) = entry.parse::<FieldEntry>() {
            let state = blob_state(ctx.workspace()?.blob(&photo.sha256)?.as_ref());
            photos.push(json!({"sha256": photo.sha256, "slot": photo.slot, "bytes": photo.bytes, "state": state,
                "warnings": photo.warnings, "file_name": photo.file_name}));
        }
    }
    Ok(Value::Array(photos))
}

/// How far the bytes have come.
fn blob_state(blob: Option<&BlobState>) -> &'static str {
    match blob {
        Some(blob) if blob.withdrawn => "withdrawn",
        Some(blob) if blob.stored => "stored",
        Some(blob) if blob.path.is_some() => "on_device",
        // The bytes are with the server or with a colleague.
        _ => "elsewhere",
    }
}

fn acts(ctx: &mut Context<'_>, key: &DocKey, document: Option<&Document>) -> Result<Vec<Value>> {
    let brought: BTreeMap<ChangeHash, Option<PublicKey>> =
        ctx.workspace()?.store().brought_by(key)?.into_iter().collect();
    let via = |change: &ChangeInfo| Some(ctx.carrier(&brought.get(&change.hash).copied().flatten()?));
    let history = document.map(Document::history).unwrap_or_default();
    let authored = history.iter().filter(|change| change.actor != RESERVED);
    let entries = document.map(Document::entries).unwrap_or_default();
    let act = |change: &ChangeInfo| {
        // All entries of one change are one person's: a server writes one act for one account.
        let first = entries.iter().find(|entry| entry.origin.change == change.hash);
        let by = first.map_or_else(|| ctx.author(&change.actor.key()), |entry| ctx.author_of(entry));
        json!({"document": key.kind, "change": change.hash, "by": by,
            "device_time": change.device_time.to_string(), "via": via(change), "entries": change.entries,
            "registers": change.registers})
    };
    Ok(authored.map(act).collect())
}

fn print(ctx: &mut Context<'_>, value: &Value) -> Result<()> {
    let text = |value: &Value| plain(value);
    ctx.ui.line(format!("{}  {}", text(&value["temporary_number"]), text(&value["id"])))?;
    ctx.ui.line(format!("collection {}  state {}", text(&value["collection"]), text(&value["state"])))?;
    if let Ok(returned) = serde_json::from_value::<Returned>(value["returned"].clone()) {
        let text = returned_text(&*ctx.dictionaries()?, &returned);
        ctx.ui.line(text)?;
    }
    for (field, fact) in value["facts"].as_object().into_iter().flatten() {
        match fact["candidates"].as_array() {
            None => ctx.ui.line(format!("  {field}: {}", text(&fact["value"])))?,
            Some(candidates) => {
                ctx.ui.line(format!("  {field}: ? in conflict"))?;
                for candidate in candidates {
                    let (entry, by) = (text(&candidate["entry"]), text(&candidate["by"]));
                    ctx.ui.line(format!("    {} by {by} (entry {entry})", text(&candidate["value"])))?;
                }
            }
        }
    }
    if let Some(remark) = value["remark"].as_str() {
        ctx.ui.line(format!("  remark: {remark}"))?;
    }
    for (title, list) in [("record", &value["entries"]), ("case", &value["case"]), ("history", &value["history"])] {
        let Some(list) = list.as_array().filter(|list| !list.is_empty()) else { continue };
        ctx.ui.line(format!("{title}:"))?;
        for item in list {
            ctx.ui.line(format!("  {}", summary(item)))?;
        }
    }
    Ok(())
}

/// One line for an entry or an act: what it is, its contents, who wrote it.
fn summary(item: &Value) -> String {
    let hidden = ["entry", "by", "device_time", "type", "at", "change", "document", "field_heads", "witness"];
    let empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    // Nobody carried it: that is no answer left blank.
    let own = |key: &str, value: &Value| key == "via" && value.is_null();
    let parts = item.as_object().into_iter().flatten();
    let parts = parts.filter(|(key, value)| !hidden.contains(&key.as_str()) && !empty(value) && !own(key, value));
    let parts: Vec<String> = parts.map(|(key, value)| format!("{key}={}", plain(value))).collect();
    let kind = ["type", "document"].iter().find_map(|key| item[*key].as_str()).unwrap_or("unknown");
    let id = ["entry", "change"].iter().find_map(|key| item[*key].as_str()).unwrap_or_default();
    format!("{kind}  {}  by {} at {}  [{id}]", parts.join(" "), plain(&item["by"]), plain(&item["device_time"]))
}

/// A value for people: blank and "cannot determine" are words, never an empty place.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "(blank)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(object) if object.get("cannot_determine") == Some(&Value::Bool(true)) => {
            "(cannot determine)".to_owned()
        }
        Value::Object(object) if object.contains_key("raw_lon") => {
            format!("{},{} ({})", plain(&value["lon"]), plain(&value["lat"]), plain(&value["datum"]))
        }
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
