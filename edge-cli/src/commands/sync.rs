//! `outlet sync`: one session with the server.

use std::time::Duration;

use clap::Args;
use outlet_core::identity::{PeerAddress, ServerAddress};
use outlet_core::ids::Collection;
use outlet_core::sync::replica::{Fetch, Refusal, RefusalCode};
use outlet_core::sync::session::{Options, Summary, SyncOutcome, Transferred};
use outlet_transport::TransportError;
use serde::Serialize;
use serde_json::json;

use super::{Outcome, watch};
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::input::half_width;
use crate::net;
use crate::rates::{Expected, Rates};
use crate::ui::Warning;

/// Sync with the server: send what is new here, fetch what others did, prove that both sides hold
/// the same.
///
/// Records never wait for photos. Interrupted, it goes on where it stopped. Exit code 0: converged;
/// 3: something remains (photos pending, changes held, link cut); 1: refused or unreachable.
///
/// Example:
///   outlet sync
///   outlet sync --max-bytes 5MB --no-originals
///   outlet sync --dry-run
///   outlet sync --watch --every 5min
///   outlet sync --server quic://203.0.113.7:4433 --json
///   outlet sync --peer 192.168.43.1:4433
///
/// JSON: {"outcome": "converged"|"incomplete"|"refused", "digest", "sent": {"changes", "photos",
/// "bytes"}, "received": {"changes", "photos", "bytes"}, "round_trips", "pending_photos", "held",
/// "collections": {CODE: DIGEST}, "waiting", "refused_items", "skew_ms", "why": {"code", "message"}};
/// "damaged_files", "via": ADDRESS; with --dry-run also "plan": {"to_push": {"documents", "changes",
/// "bytes", "photos", "photo_bytes"}, "to_pull": {the same} or null, "expected": {"bytes", "seconds" or
/// null, "measured_sessions"}}; with --watch one such line per round, with "next_in_s"
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SyncArgs {
    /// Address, instead of those of the ticket: quic://HOST:PORT, or HOST:PORT.
    #[arg(long)]
    server: Option<String>,
    /// Exchange with a device that runs `outlet peer listen`, instead of the server. Nothing becomes
    /// *stored* by that, and photos are taken along for each other.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["server", "dry_run", "fetch"])]
    peer: Option<PeerAddress>,
    /// Only say what would be transferred.
    #[arg(long)]
    dry_run: bool,
    /// Go on syncing whenever the server is reachable, until Ctrl-C; other commands of this device
    /// are let in at once.
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,
    /// With --watch: time between rounds, longer after failures: 30s, 5min.
    #[arg(long, requires = "watch", default_value = "60s")]
    every: String,
    /// With --watch: end after so many rounds.
    #[arg(long, requires = "watch")]
    rounds: Option<u32>,
    /// Stop with photos after so many bytes: 5MB, 800kB, 2MiB. Records always go.
    #[arg(long)]
    max_bytes: Option<String>,
    /// Stop with photos after so long: 90s, 10min.
    #[arg(long)]
    max_time: Option<String>,
    /// Send records and previews only; originals stay pending.
    #[arg(long)]
    no_originals: bool,
    /// Photos of others to fetch: nothing|previews|everything.
    #[arg(long, default_value = "nothing")]
    fetch: String,
}

#[derive(Serialize)]
struct Way {
    changes: u64,
    photos: u64,
    previews: u64,
    bytes: u64,
}

impl From<Transferred> for Way {
    fn from(way: Transferred) -> Self {
        Self { changes: way.changes, photos: way.photos, previews: way.previews, bytes: way.bytes }
    }
}

/// Runs `outlet sync`.
pub(crate) fn run(ctx: &mut Context<'_>, args: &SyncArgs) -> Result<Outcome> {
    ctx.member()?;
    let servers = match &args.server {
        Some(text) => vec![address(text)?],
        None => ctx.workspace()?.addresses()?,
    };
    let fetch = match args.fetch.as_str() {
        "nothing" => Fetch::Nothing,
        "previews" => Fetch::Previews,
        "everything" => Fetch::Everything,
        other => {
            return Err(CommandError::user(format!("{other:?} is not a value of --fetch"))
                .hint("valid: nothing, previews, everything"));
        }
    };
    let until = args.max_time.as_deref().map(duration).transpose()?;
    let options = Options {
        plan_only: args.dry_run,
        originals: !args.no_originals,
        max_bytes: args.max_bytes.as_deref().map(bytes).transpose()?,
        until: until.map(|limit| ctx.now().plus_millis(i64::try_from(limit.as_millis()).unwrap_or(i64::MAX))),
        fetch,
        ..Options::default()
    };
    if let Some(address) = &args.peer {
        let fetch = if args.no_originals { Fetch::Previews } else { Fetch::Everything };
        let summary = net::meet(ctx, address, Options { peer: true, fetch, ..options })?;
        ctx.forget_lists();
        return report(ctx, &summary, false);
    }
    if args.watch {
        return watch::run(ctx, &servers, &options, duration(&args.every)?.max(Duration::from_secs(1)), args.rounds);
    }
    let mut summary = net::sync(ctx, &servers, options.clone())?;
    ctx.forget_lists();
    let now = ctx.now();
    if !args.dry_run && ctx.workspace()?.reissue_orphans(now)? > 0 {
        ctx.ui.status("Acts that were built on a rejected one have been issued again; sending them.");
        summary = net::sync(ctx, &servers, options)?;
    }
    report(ctx, &summary, args.dry_run)
}

/// Prints a summary and turns it into the command's end.
pub(crate) fn report(ctx: &mut Context<'_>, summary: &Summary, plan: bool) -> Result<Outcome> {
    let expected = if plan { Some(expected(&ctx.home()?, summary)) } else { None };
    if ctx.ui.json {
        let mut value = value(summary, expected);
        value["via"] = json!(ctx.via);
        ctx.ui.data(&value)?;
    } else {
        words(ctx, summary, expected)?;
    }
    match summary.outcome {
        SyncOutcome::Refused => Err(refused(summary.why.as_ref())),
        SyncOutcome::Converged if summary.pending_photos == 0 && summary.held == 0 => Ok(Outcome::Done),
        SyncOutcome::Incomplete if plan => Ok(Outcome::Done),
        SyncOutcome::Converged | SyncOutcome::Incomplete => Ok(Outcome::Incomplete),
    }
}

/// What the transfer will take, as far as past syncs tell.
fn expected(home: &std::path::Path, summary: &Summary) -> Expected {
    let pull = summary.to_pull.unwrap_or_default();
    let raw = summary.to_push.bytes.saturating_add(pull.bytes);
    Rates::of(home).expect(raw, summary.to_push.photo_bytes.saturating_add(pull.photo_bytes))
}

/// As `--json` gives it; with what is expected, for a plan.
pub(crate) fn value(summary: &Summary, plan: Option<Expected>) -> serde_json::Value {
    let collections: serde_json::Map<String, serde_json::Value> =
        summary.digests.iter().map(|(collection, digest)| (collection.to_string(), json!(digest))).collect();
    let mut value = json!({
        "outcome": summary.outcome.as_str(),
        "digest": summary.digest(),
        "sent": Way::from(summary.sent),
        "received": Way::from(summary.received),
        "round_trips": summary.round_trips,
        "pending_photos": summary.pending_photos,
        "held": summary.held,
        "pending_photo_bytes": summary.pending_photo_bytes,
        "waiting": summary.waiting,
        "refused_items": summary.refused_items,
        "damaged_files": summary.damaged_files,
        "compared": summary.compared.iter().map(Collection::to_string).collect::<Vec<_>>(),
        "collections": collections,
        "skew_ms": summary.skew_ms,
        "why": summary.why.as_ref().map(|why| json!({"code": why.code.as_str(), "message": why.text})),
    });
    if let Some(expected) = plan {
        let pending = |pending: &outlet_core::sync::replica::Pending| {
            json!({"documents": pending.documents, "changes": pending.changes, "bytes": pending.bytes,
                "photos": pending.photos, "photo_bytes": pending.photo_bytes})
        };
        value["plan"] = json!({"to_push": pending(&summary.to_push), "to_pull": summary.to_pull.as_ref().map(pending),
            "expected": expected});
    }
    value
}

/// A clock this wrong spoils dates in records; EXIF times are compared within a day.
const SKEW_WARNING_MS: i64 = 5 * 60 * 1000;

fn words(ctx: &mut Context<'_>, summary: &Summary, plan: Option<Expected>) -> Result<()> {
    if let Some(expected) = plan {
        let Summary { to_push, to_pull, .. } = summary;
        ctx.ui.line(format!(
            "to send: {} changes, {} photos ({} bytes)",
            to_push.changes,
            to_push.photos,
            to_push.bytes.saturating_add(to_push.photo_bytes)
        ))?;
        if let Some(pull) = to_pull {
            ctx.ui.line(format!(
                "to fetch: {} changes, {} photos ({} bytes)",
                pull.changes,
                pull.photos,
                pull.bytes.saturating_add(pull.photo_bytes)
            ))?;
        }
        let Expected { bytes, seconds, measured_sessions } = expected;
        return ctx.ui.line(match seconds {
            Some(seconds) => {
                format!("expected: {bytes} bytes in about {seconds} s, as fast as the last {measured_sessions} syncs")
            }
            None => format!("expected: at most {bytes} bytes; how long that takes, the first sync will tell"),
        });
    }
    ctx.ui.line(format!("{}  digest {}", summary.outcome.as_str(), summary.digest()))?;
    let way = |way: &Transferred| format!("{} changes, {} photos, {} bytes", way.changes, way.photos, way.bytes);
    ctx.ui.line(format!("sent {}; received {}", way(&summary.sent), way(&summary.received)))?;
    if summary.pending_photos > 0 {
        ctx.ui.line(format!("{} photos pending ({} bytes)", summary.pending_photos, summary.pending_photo_bytes))?;
    }
    if summary.held > 0 {
        ctx.ui.line(format!("{} changes held by the server: `outlet status` names them", summary.held))?;
    }
    if let Some(skew) = summary.skew_ms.filter(|skew| skew.abs() > SKEW_WARNING_MS) {
        let (off, way) = (span(skew.abs() / 60_000), if skew > 0 { "behind" } else { "ahead of" });
        ctx.ui.warn(&Warning::new(
            "clock_skew",
            format!("this device's clock is {off} {way} the server's: set it, or dates will look wrong."),
        ));
    }
    // Also after the proof: the photos may have met a full disk.
    if let (SyncOutcome::Incomplete | SyncOutcome::Converged, Some(why)) = (summary.outcome, &summary.why) {
        ctx.ui.warn(&Warning::new(why.code.as_str(), why.text.clone()));
    }
    Ok(())
}

/// A length of time as people say it: nobody reads half a million minutes as a year.
fn span(minutes: i64) -> String {
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2_880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}

/// A refusal with what to do about it.
pub(crate) fn refused(why: Option<&Refusal>) -> CommandError {
    let Some(why) = why else { return CommandError::user("the sync was refused").hint("try again later") };
    let error = CommandError::because(format!("the other side refused ({})", why.code.as_str()), why.text.clone());
    error.hint(match why.code {
        RefusalCode::UnknownMember => {
            "this device is not known there: ask the administrator for a ticket and run `outlet enroll TICKET`"
        }
        RefusalCode::Revoked => {
            "this device was revoked: what is on it stays readable; ask the administrator for a new ticket"
        }
        RefusalCode::Expired => "the membership has run out: ask the administrator for a new ticket (the records stay)",
        RefusalCode::TicketExpired => "ask the administrator for a new ticket",
        RefusalCode::TicketUsed => {
            "each ticket enrols one device: ask for another one; on the device that used it, run `outlet sync`"
        }
        RefusalCode::TicketUnknown => "check that the whole ticket was copied, and that it is from this server",
        RefusalCode::WrongServer => {
            "check the address; if the server was replaced, ask the administrator for a new ticket"
        }
        RefusalCode::NotAllowed => "ask the administrator which counties this membership covers",
        RefusalCode::Version | RefusalCode::Malformed | RefusalCode::NotBound => {
            "update the program on the older side (`outlet --version`)"
        }
        RefusalCode::Quota => "the rest goes tomorrow, or the administrator raises the quota",
        RefusalCode::Busy | RefusalCode::Stalled => "try again in a few minutes; what was sent is kept",
        _ => "tell the administrator, and try again later; what is on this device stays",
    })
}

/// No session came about: nothing was lost, and what to do.
pub(crate) fn unreachable(error: TransportError) -> CommandError {
    let hint = match &error {
        TransportError::WrongServerKey { .. } => {
            "the address leads to another server than the ticket names: check --server, or ask for a new ticket"
        }
        TransportError::Tls(_) => "run `outlet doctor`: the device key may be damaged",
        _ => {
            "check the network and the address (outlet status shows it); everything stays on this device until the next sync"
        }
    };
    CommandError::because("the server could not be reached", error).hint(hint)
}

/// `quic://HOST:PORT`, or `HOST:PORT` for short.
pub(crate) fn address(text: &str) -> Result<ServerAddress> {
    let text = half_width(text);
    let full = if text.contains("://") { text } else { format!("quic://{text}") };
    full.parse().map_err(|error| {
        CommandError::user(error)
            .hint("write --server quic://203.0.113.7:4433; leave it out for the addresses of the ticket")
    })
}

/// `5MB`, `800kB`, `2MiB`, plain bytes.
pub(super) fn bytes(text: &str) -> Result<u64> {
    let plain = half_width(text).to_lowercase();
    let split = plain.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(plain.len());
    let (number, unit) = plain.split_at(split);
    let factor = match unit.trim() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        _ => f64::NAN,
    };
    let value = number.parse::<f64>().map_or(f64::NAN, |number| number * factor);
    if !(0.0..=1e15).contains(&value) {
        return Err(CommandError::user(format!("{text:?} is not an amount of bytes"))
            .hint("write --max-bytes 5MB, 800kB or 2MiB"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to lie between 0 and 1e15")]
    Ok(value as u64)
}

/// `90s`, `10min`, `2h`.
pub(super) fn duration(text: &str) -> Result<Duration> {
    let plain = half_width(text).to_lowercase();
    let split = plain.find(|c: char| !c.is_ascii_digit()).unwrap_or(plain.len());
    let (number, unit) = plain.split_at(split);
    let factor = match unit.trim() {
        "s" | "" => Some(1),
        "m" | "min" => Some(60),
        "h" => Some(3600),
        _ => None,
    };
    let seconds = number.parse::<u64>().ok().zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    seconds
        .filter(|seconds| *seconds <= 7 * 86_400)
        .map(Duration::from_secs)
        .ok_or_else(|| CommandError::user(format!("{text:?} is not a time")).hint("write --max-time 90s, 10min or 2h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_have_units() {
        for (text, expect) in
            [("5MB", 5_000_000), ("800kB", 800_000), ("2MiB", 2_097_152), ("42", 42), ("1.5m", 1_500_000)]
        {
            assert_eq!(bytes(text).unwrap(), expect, "{text}");
        }
        for bad in ["", "MB", "-1", "5 parsecs", "1e30"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        assert_eq!(duration("10min").unwrap(), Duration::from_secs(600));
        assert!(duration("soon").is_err() && duration("99999999h").is_err());
    }

    #[test]
    fn an_address_may_leave_out_its_scheme() {
        assert_eq!(address("127.0.0.1:4433").unwrap().to_string(), "quic://127.0.0.1:4433");
        assert!(address("nowhere").is_err());
    }
}
