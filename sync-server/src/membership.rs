//! Tickets and revocations as administrators give them, at the command line and at the console.

use std::collections::BTreeSet;
use std::time::Duration;

use outlet_core::identity::{Level, Revocation, Role, ServerAddress, Signed, SignedRevocation, Ticket, TicketSecret};
use outlet_core::ids::{Collection, PersonId, PublicKey};
use outlet_core::time::Timestamp;

use crate::db::{devices, feed, meta};
use crate::env::random;
use crate::error::CommandError;
use crate::folder::Folder;

/// What a ticket is to grant.
#[derive(Debug, Clone)]
pub struct NewTicket {
    /// Role.
    pub role: Role,
    /// Level of a supervisor.
    pub level: Option<Level>,
    /// Collections.
    pub collections: BTreeSet<Collection>,
    /// The person's name.
    pub name: String,
    /// The person, who may have other devices; a new one otherwise.
    pub person: Option<PersonId>,
    /// How long it can be used; the configuration's time otherwise.
    pub valid: Option<Duration>,
    /// Addresses in order of trial; the configuration's, or where the server listens, otherwise.
    pub addresses: Vec<ServerAddress>,
}

/// Makes a one-time ticket and keeps the hash of its secret.
///
/// # Errors
/// When rights, name or addresses cannot be, or the database refuses.
pub fn issue_ticket(folder: &Folder, new: NewTicket, now: Timestamp, who: &str) -> Result<Ticket, CommandError> {
    let (role, level) = rights(new.role, new.level)?;
    if new.collections.contains(&Collection::REFERENCE) {
        return Err(CommandError::usage("000000 holds the reference documents, which every member reads")
            .hint("name the counties the person works in, such as --collection 511902"));
    }
    let valid = new.valid.unwrap_or(folder.config.membership.ticket);
    let ticket = Ticket {
        addresses: addresses(new.addresses, folder)?,
        root: folder.database.read::<_, CommandError>(|tx| Ok(folder.roster(tx)?.root()))?,
        server: folder.key().public(),
        secret: TicketSecret::from_bytes(random()?),
        role,
        level,
        collections: new.collections,
        name: name(&new.name)?,
        person: new.person.map_or_else(|| random().map(PersonId), Ok)?,
        expires_at: now.plus_millis(i64::try_from(valid.as_millis()).unwrap_or(i64::MAX)),
    };
    store(&ticket, folder, now, who)?;
    Ok(ticket)
}

/// A supervisor has a level; an admin stands above both; others have none.
fn rights(role: Role, level: Option<Level>) -> Result<(Role, Option<Level>), CommandError> {
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

fn addresses(given: Vec<ServerAddress>, folder: &Folder) -> Result<Vec<ServerAddress>, CommandError> {
    if !given.is_empty() {
        return Ok(given);
    }
    if !folder.config.listen.public.is_empty() {
        let parse = |text: &String| text.parse().map_err(|error| CommandError::usage(format!("{error}")));
        return folder.config.listen.public.iter().map(parse).collect();
    }
    let listening: Option<String> =
        folder.database.read::<_, CommandError>(|tx| Ok(meta::get(tx, meta::LISTENING)?))?;
    let text = listening.unwrap_or_else(|| folder.config.listen.quic.clone());
    format!("quic://{text}").parse().map(|address| vec![address]).map_err(|_| {
        CommandError::user(format!("{text} is no address that a device could reach"))
            .hint("give --address quic://HOST:PORT, or set listen.public in server.toml")
    })
}

fn store(ticket: &Ticket, folder: &Folder, now: Timestamp, who: &str) -> Result<(), CommandError> {
    let grant = devices::Grant {
        role: ticket.role,
        level: ticket.level,
        collections: ticket.collections.iter().copied().collect(),
        name: ticket.name.clone(),
        person: ticket.person,
    };
    folder.database.write::<_, CommandError>(|tx| {
        let id = devices::insert_ticket(tx, &ticket.secret.hash().0, &grant, now, ticket.expires_at)?;
        meta::audit(tx, now, who, "ticket", &format!("ticket {id}, person {}", ticket.person))?;
        Ok(())
    })
}

/// Revokes a device: what the server has stays, what comes later is held. False when it was revoked
/// before.
///
/// # Errors
/// When it is the server's own key, or the database refuses.
pub fn revoke(folder: &Folder, key: PublicKey, reason: &str, now: Timestamp, who: &str) -> Result<bool, CommandError> {
    folder.database.write::<_, CommandError>(|tx| {
        if folder.roster(tx)?.is_server(&key) {
            return Err(
                CommandError::user("this is the server's own key").hint("`outlet-server key rotate` replaces it")
            );
        }
        // By server receipt: nothing received from here on counts, whatever the device's clock says.
        if !devices::revoke(tx, &key, now)? {
            return Ok(false);
        }
        let revocation = Revocation { key, at: now, reason: reason.to_owned(), who: who.to_owned() };
        let signed: SignedRevocation = Signed::sign(folder.key(), revocation);
        feed::append_sealed(tx, Collection::REFERENCE, feed::ItemKind::Revocation, &key.0, &signed.to_bytes())?;
        meta::next(tx, meta::ROSTER)?;
        meta::audit(tx, now, who, "revoke", &key.to_string())?;
        Ok(true)
    })
}
