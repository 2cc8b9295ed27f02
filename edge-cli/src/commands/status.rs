//! `outlet status` and `outlet conflicts`.

use std::collections::BTreeMap;

use clap::Args;
use outlet_core::doc::{Entry, facts};
use outlet_core::ids::{Collection, Digest, DocKind};
use outlet_core::store::{Store, StoreStatus};
use outlet_core::sync::session::combined_digest;
use serde_json::json;

use super::Outcome;
use crate::context::Context;
use crate::error::Result;
use crate::route::Route;

/// Say what is safe: records and photos on this device, sent, stored by the server, in the ledger.
///
/// Only *stored* is safe: the server has written it durably and signed for it. *Sent* is what
/// another device has or brought, and what went to the server without an answer.
///
/// Example:
///   outlet status
///
/// JSON: {"records": {"on_device": n, "sent": n, "stored": n, "in_ledger": n, "held": n}, "photos":
/// {.. the same}, "attachments": {.. the same}, "last_proof": {"at", "server", "documents", "held", "digest",
/// "collections": {CODE: DIGEST}} or null, "unsent_changes", "pending_photos", "pending_bytes", "held",
/// "conflicts", "returned", "read_only", "member": {"name", "role", "level", "collections", "valid_until"} or null,
/// "server": [..], "route": {"address", "until"} (a detour that goes first for now) or null, "home"}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct StatusArgs {}

/// List gated facts in conflict: two people said different things, and a supervisor decides.
///
/// Example:
///   outlet conflicts
///   outlet conflicts --json
///
/// JSON: [{"id", "temporary_number", "field", "candidates": [{"value", "entry", "by",
/// "device_time"}]}]
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ConflictsArgs {}

/// Runs `outlet status`.
pub(crate) fn status(ctx: &mut Context<'_>, _: &StatusArgs) -> Result<Outcome> {
    let home = ctx.home()?.display().to_string();
    let route = Route::read(&ctx.home()?, ctx.now());
    let returned = ctx.rows()?.iter().filter(|row| row.returned.is_some()).count();
    let workspace = ctx.workspace()?;
    let (status, member, addresses) = (workspace.status()?, workspace.member(), workspace.addresses()?);
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let last_proof = last_proof(&status);
    let value = json!({
        "records": status.records,
        "photos": status.photos,
        "attachments": status.attachments,
        "last_proof": last_proof,
        "unsent_changes": status.unsent_changes,
        "pending_photos": status.unsent_files,
        "pending_bytes": status.unsent_bytes.saturating_add(status.unsent_file_bytes),
        "held": status.held_changes,
        "conflicts": status.in_conflict,
        "returned": returned,
        "read_only": status.read_only,
        "member": member.as_ref().map(|member| json!({"name": member.name, "role": member.role, "level": member.level,
            "collections": member.collections, "valid_until": member.not_after.to_string()})),
        "server": addresses,
        "route": route.as_ref().map(|route| json!({"address": route.address, "until": route.until.to_string()})),
        "home": home,
    });
    if ctx.ui.json {
        ctx.ui.data(&value)?;
        return Ok(Outcome::Done);
    }
    for (title, counts) in [("records", status.records), ("photos", status.photos), ("attachments", status.attachments)]
    {
        ctx.ui.line(format!(
            "{title}: {} on device, {} sent, {} stored, {} in ledger, {} held",
            counts.on_device, counts.sent, counts.stored, counts.in_ledger, counts.held
        ))?;
    }
    ctx.ui.line(format!("to send: {} changes, {} files", status.unsent_changes, status.unsent_files))?;
    match last_proof {
        Some(proof) => ctx.ui.line(format!(
            "converged with server {} at {}: {} documents{}, digest {}",
            plain(&proof["server"]).get(..12).unwrap_or_default(),
            plain(&proof["at"]),
            proof["documents"],
            proof["held"]
                .as_u64()
                .filter(|held| *held > 0)
                .map_or_else(String::new, |held| format!(", {held} changes held")),
            plain(&proof["digest"])
        ))?,
        None => ctx.ui.line("last proof: none yet; `outlet sync` makes one")?,
    }
    if status.in_conflict > 0 {
        ctx.ui.line(format!("conflicts: {} records, see `outlet conflicts`", status.in_conflict))?;
    }
    if returned > 0 {
        ctx.ui.line(format!("returned: {returned} records to correct, see `outlet list --returned`"))?;
    }
    match member {
        Some(member) => ctx.ui.line(format!("member: {} until {}", member.name, member.not_after))?,
        None => ctx.ui.line("member: not enrolled; `outlet enroll TICKET`")?,
    }
    ctx.ui.line(format!("server: {}", addresses.join(", ")))?;
    if let Some(route) = route {
        ctx.ui.line(format!(
            "route: {} goes first until {}, the ticket's first did not answer",
            route.address, route.until
        ))?;
    }
    rejected(ctx)?;
    Ok(Outcome::Done)
}

/// The last moment at which every collection was proven equal, with one digest over all of them.
fn last_proof(status: &StoreStatus) -> Option<serde_json::Value> {
    let at = status.proofs.iter().map(|proof| proof.at).max()?;
    // Proofs of an earlier sync say nothing about the last one.
    let last: Vec<_> = status.proofs.iter().filter(|proof| proof.at == at).collect();
    let digests: BTreeMap<Collection, Digest> = last.iter().map(|proof| (proof.collection, proof.digest)).collect();
    let collections: serde_json::Map<String, serde_json::Value> =
        digests.iter().map(|(collection, digest)| (collection.to_string(), json!(digest))).collect();
    Some(json!({
        "at": at.to_string(),
        "server": last.first().map(|proof| proof.server),
        "documents": last.iter().map(|proof| proof.count).sum::<u64>(),
        "held": last.iter().map(|proof| proof.held).sum::<u64>(),
        "digest": combined_digest(&digests),
        "collections": collections,
    }))
}

fn plain(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Own acts that the server refused or rejected.
fn rejected(ctx: &mut Context<'_>) -> Result<()> {
    let acts = ctx.workspace()?.store().rejected()?;
    for act in acts.into_iter().filter(|act| !act.reissued) {
        let name = ctx.short_name(&act.doc)?;
        ctx.ui.line(format!("rejected ({}): {name}, change {}", act.code, act.change))?;
    }
    Ok(())
}

/// Runs `outlet conflicts`.
pub(crate) fn conflicts(ctx: &mut Context<'_>, _: &ConflictsArgs) -> Result<Outcome> {
    let mut found = Vec::new();
    for key in ctx.workspace()?.conflicted()? {
        let entries = |ctx: &mut Context<'_>, kind| -> Result<Vec<Entry>> {
            Ok(ctx.document(&key.with_kind(kind))?.map(|document| document.entries()).unwrap_or_default())
        };
        let field = entries(ctx, DocKind::Field)?;
        let case = entries(ctx, DocKind::Case)?;
        let number = ctx.temporary_number(&key)?;
        let mut current = facts(&field);
        for name in ctx.open_conflicts(&field, &case) {
            let candidates = current.remove(&name).unwrap_or_default();
            let candidates: Vec<_> = candidates
                .iter()
                .map(|fact| {
                    json!({"value": fact.value, "entry": fact.entry, "by": ctx.author(&fact.origin.actor.key()),
                        "device_time": fact.origin.device_time.to_string()})
                })
                .collect();
            found.push(json!({"id": key.id, "temporary_number": number, "field": name, "candidates": candidates}));
        }
    }
    if ctx.ui.json {
        ctx.ui.data(&found)?;
        return Ok(Outcome::Done);
    }
    for conflict in &found {
        let word = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        ctx.ui.line(format!("{}  {}", word(&conflict["temporary_number"]), word(&conflict["field"])))?;
        for candidate in conflict["candidates"].as_array().into_iter().flatten() {
            ctx.ui.line(format!(
                "  {}  by {} at {} (entry {})",
                word(&candidate["value"]),
                word(&candidate["by"]),
                word(&candidate["device_time"]),
                word(&candidate["entry"])
            ))?;
        }
    }
    match found.len() {
        0 => ctx.ui.status("No conflicts."),
        n => ctx.ui.status(format!("Conflicts: {n}. A supervisor ends one with `outlet case settle ID FIELD VALUE`.")),
    }
    Ok(Outcome::Done)
}
