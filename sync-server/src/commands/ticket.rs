//! `ticket`: one line of text, or a QR code, that makes a device a member.

use std::collections::BTreeSet;

use outlet_core::identity::{Level, Role, ServerAddress, Ticket, TicketSecret};
use outlet_core::ids::{Collection, PersonId};
use outlet_core::time::Timestamp;
use serde::Serialize;

use super::Outcome;
use crate::cli::TicketArgs;
use crate::db::{devices, meta};
use crate::env::random;
use crate::error::{CommandError, Exit};
use crate::folder::Folder;
use crate::ui::Ui;

/// `ticket --json`.
#[derive(Serialize)]
struct Issued {
    ticket: String,
    expires: String,
    role: Role,
    level: Option<Level>,
    collections: Vec<Collection>,
    name: String,
    person: PersonId,
    addresses: Vec<String>,
}

pub(super) fn ticket(args: &TicketArgs, folder: &Folder, ui: &mut Ui) -> Outcome {
    let (role, level) = rights(args)?;
    let now = ui.env.now();
    let valid = args.expires.unwrap_or(folder.config.membership.ticket);
    let expires_at = now.plus_millis(i64::try_from(valid.as_millis()).unwrap_or(i64::MAX));
    let collections: BTreeSet<Collection> = args.collections.iter().copied().collect();
    if collections.contains(&Collection::REFERENCE) {
        return Err(CommandError::usage("000000 holds the reference documents, which every member reads")
            .hint("name the counties the person works in, such as --collection 511902"));
    }
    let person = args.person.map_or_else(|| random().map(PersonId), Ok)?;
    let ticket = Ticket {
        addresses: addresses(args, folder)?,
        root: folder.database.read::<_, CommandError>(|tx| Ok(folder.roster(tx)?.root()))?,
        server: folder.key().public(),
        secret: TicketSecret::from_bytes(random()?),
        role,
        level,
        collections,
        name: name(&args.name)?,
        person,
        expires_at,
    };
    store(&ticket, folder, now)?;
    show(&ticket, args.qr, ui)?;
    Ok(Exit::Ok)
}

/// A supervisor has a level; an admin stands above both; others have none.
fn rights(args: &TicketArgs) -> Result<(Role, Option<Level>), CommandError> {
    let role = Role::from(args.role);
    let level = args.level.map(Level::from);
    match (role, level) {
        (Role::Supervisor, None) => Err(CommandError::usage("a supervisor needs a level")
            .hint("add --level county (checks first) or --level city (decides)")),
        (Role::Supervisor, level) => Ok((role, level)),
        (Role::Admin, level) => Ok((role, level.or(Some(Level::City)))),
        (_, None) => Ok((role, None)),
        (_, Some(_)) => Err(CommandError::usage("only supervisors and admins have a level").hint("leave --level away")),
    }
}

fn name(given: &str) -> Result<String, CommandError> {
    let name = given.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err(CommandError::usage("a name has 1 to 100 characters, none of them a control character"));
    }
    Ok(name.to_owned())
}

fn addresses(args: &TicketArgs, folder: &Folder) -> Result<Vec<ServerAddress>, CommandError> {
    let given = if args.addresses.is_empty() { folder.config.listen.public.clone() } else { args.addresses.clone() };
    if !given.is_empty() {
        let parse = |text: &String| text.parse().map_err(|error| CommandError::usage(format!("{error}")));
        return given.iter().map(parse).collect();
    }
    let listening: Option<String> =
        folder.database.read::<_, CommandError>(|tx| Ok(meta::get(tx, meta::LISTENING)?))?;
    let text = listening.unwrap_or_else(|| folder.config.listen.quic.clone());
    format!("quic://{text}").parse().map(|address| vec![address]).map_err(|_| {
        CommandError::user(format!("{text} is no address that a device could reach"))
            .hint("give --address quic://HOST:PORT, or set listen.public in server.toml")
    })
}

fn store(ticket: &Ticket, folder: &Folder, now: Timestamp) -> Result<(), CommandError> {
    let grant = devices::Grant {
        role: ticket.role,
        level: ticket.level,
        collections: ticket.collections.iter().copied().collect(),
        name: ticket.name.clone(),
        person: ticket.person,
    };
    folder.database.write::<_, CommandError>(|tx| {
        let id = devices::insert_ticket(tx, &ticket.secret.hash().0, &grant, now, ticket.expires_at)?;
        meta::audit(tx, now, "command line", "ticket", &format!("ticket {id}, person {}", ticket.person))?;
        Ok(())
    })
}

fn show(ticket: &Ticket, qr: bool, ui: &mut Ui) -> Result<(), CommandError> {
    let issued = Issued {
        ticket: ticket.to_text(),
        expires: ticket.expires_at.to_string(),
        role: ticket.role,
        level: ticket.level,
        collections: ticket.collections.iter().copied().collect(),
        name: ticket.name.clone(),
        person: ticket.person,
        addresses: ticket.addresses.iter().map(ToString::to_string).collect(),
    };
    ui.show(&issued, |issued| issued.ticket.clone())?;
    if qr {
        let code = qrcode::QrCode::new(ticket.to_qr_text())
            .map_err(|error| CommandError::internal(format!("the ticket does not fit a QR code: {error}")))?;
        ui.note(code.render::<qrcode::render::unicode::Dense1x2>().build());
    }
    if !ui.json {
        ui.note(format_args!(
            "good until {} for one device; whoever has it can use it: hand it over in person\nnext, on the device: outlet enroll TICKET",
            issued.expires
        ));
    }
    Ok(())
}
