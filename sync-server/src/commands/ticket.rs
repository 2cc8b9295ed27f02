//! `ticket`: one line of text, or a QR code, that makes a device a member.

use outlet_core::identity::{Level, Role, Ticket};
use outlet_core::ids::{Collection, PersonId};
use serde::Serialize;

use super::Outcome;
use super::account::person_of;
use crate::cli::TicketArgs;
use crate::error::{CommandError, Exit};
use crate::folder::Folder;
use crate::membership::{NewTicket, issue_ticket};
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
    let address = |text: &String| text.parse().map_err(|error| CommandError::usage(format!("{error}")));
    let new = NewTicket {
        role: Role::from(args.role),
        level: args.level.map(Level::from),
        collections: args.collections.iter().copied().collect(),
        name: args.name.clone(),
        person: Some(person_of(folder, args.person.as_ref(), args.name.trim())?),
        valid: args.expires,
        addresses: args.addresses.iter().map(address).collect::<Result<_, _>>()?,
    };
    let ticket = issue_ticket(folder, new, ui.env.now(), "command line")?;
    show(&ticket, args.qr, ui)?;
    Ok(Exit::Ok)
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
