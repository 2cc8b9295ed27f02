//! `outlet enroll`: a ticket becomes a membership.

use clap::Args;
use outlet_core::identity::{Ticket, TicketError, fingerprint};
use outlet_core::sync::session::{Options, SyncOutcome};
use serde_json::json;

use super::Outcome;
use super::sync::{address, refused};
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::net;

/// Enrol this device with a ticket from the administrator.
///
/// A key is made on this device and never leaves it; the server answers with a membership
/// certificate. A ticket enrols one device; repeated on the same device it does no harm.
///
/// Example:
///   outlet enroll outlet1:MFRGG…
///   outlet enroll - < ticket.txt
///
/// JSON: {"outcome": "enrolled", "name", "role", "level", "collections": [..], "valid_until",
/// "device": KEY, "server": KEY}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct EnrollArgs {
    /// The ticket, or - to read it from standard input.
    ticket: String,
    /// Address, instead of those of the ticket.
    #[arg(long)]
    server: Option<String>,
}

/// Runs `outlet enroll`.
pub(crate) fn run(ctx: &mut Context<'_>, args: &EnrollArgs) -> Result<Outcome> {
    let text = if args.ticket == "-" { read(ctx)? } else { args.ticket.clone() };
    let ticket: Ticket = text.trim().parse().map_err(unreadable)?;
    ticket.check_expiry(ctx.now()).map_err(unreadable)?;
    let servers = match &args.server {
        Some(text) => vec![address(text)?],
        None => ticket.addresses.clone(),
    };
    let now = ctx.now();
    ctx.new_workspace()?.prepare(&ticket, now)?;
    let options = Options { ticket_secret: Some(ticket.secret.expose().to_vec()), ..Options::default() };
    let summary = net::sync(ctx, &servers, options)?;
    ctx.forget_lists();
    if summary.outcome == SyncOutcome::Refused {
        return Err(refused(summary.why.as_ref()));
    }
    let Ok(member) = ctx.member() else {
        return Err(CommandError::user("the connection ended before the certificate arrived")
            .hint("run the same command again: the ticket still works on this device"));
    };
    let workspace = ctx.workspace()?;
    let (device, server) = (workspace.device(), ticket.server);
    if ctx.ui.json {
        ctx.ui.data(&json!({"outcome": "enrolled", "name": member.name, "role": member.role, "level": member.level,
            "collections": member.collections, "valid_until": member.not_after.to_string(),
            "device": device, "server": server, "sync": summary.outcome.as_str()}))?;
        return Ok(Outcome::Done);
    }
    let collections: Vec<String> = member.collections.iter().map(ToString::to_string).collect();
    ctx.ui.line(format!("{}  {:?}  {}", member.name, member.role, collections.join(",")))?;
    ctx.ui.status(format!(
        "Enrolled until {}. This device: {}. Server: {}.",
        member.not_after,
        fingerprint(&device),
        fingerprint(&server)
    ));
    Ok(Outcome::Done)
}

fn read(ctx: &mut Context<'_>) -> Result<String> {
    use std::io::Read;
    let mut text = String::new();
    ctx.ui.env.stdin().take(16_384).read_to_string(&mut text)?;
    Ok(text)
}

/// A ticket that cannot be used, before any connection is made.
fn unreadable(error: TicketError) -> CommandError {
    let expired = matches!(error, TicketError::Expired(_));
    CommandError::because("this ticket cannot be used", error).hint(if expired {
        "ask the administrator for a new ticket; if the date looks wrong, check this device's clock"
    } else {
        "copy the whole ticket again, without line breaks; or scan its QR code; or ask for a new one"
    })
}
