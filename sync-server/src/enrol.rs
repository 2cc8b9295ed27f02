//! Tickets and sessions: who a peer is, and how a key becomes a member.

use outlet_core::identity::{Certificate, TicketSecret};
use outlet_core::ids::PublicKey;
use outlet_core::sync::replica::{Refusal, RefusalCode};
use outlet_core::time::Timestamp;
use rusqlite::Connection;

use crate::db::{DbError, devices};
use crate::folder::{Folder, issue};

/// A refusal for a peer.
pub(crate) fn refusal(code: RefusalCode, text: impl Into<String>) -> Refusal {
    Refusal { code, text: text.into() }
}

/// Uses up a ticket for a key. The same key may come again, also after the expiry: its first answer
/// may have been lost on the way. It gets the certificate it has, not a new one.
///
/// # Errors
/// When SQLite refuses; a refusal is the inner error.
pub(crate) fn redeem(
    connection: &Connection,
    folder: &Folder,
    secret: &[u8],
    key: PublicKey,
    now: Timestamp,
) -> Result<Result<Certificate, Refusal>, DbError> {
    let unknown = || refusal(RefusalCode::TicketUnknown, "the ticket is not known here: ask for a new one");
    let Ok(secret) = <[u8; 16]>::try_from(secret) else {
        return Ok(Err(unknown()));
    };
    let Some(ticket) = devices::ticket(connection, &TicketSecret::from_bytes(secret).hash().0)? else {
        return Ok(Err(unknown()));
    };
    match ticket.bound_key {
        Some(first) if first == key => {
            let roster = folder.roster(connection)?;
            if let Some(cert) = roster.certificate(&key) {
                return Ok(Ok(cert.clone()));
            }
        }
        Some(first) => {
            let text = format!(
                "the ticket was used by another device ({}): ask for a new one, and tell the administrator if that was not you",
                first.short()
            );
            return Ok(Err(refusal(RefusalCode::TicketUsed, text)));
        }
        None if now >= ticket.expires_at => {
            let text = format!("the ticket expired at {}: ask for a new one", ticket.expires_at);
            return Ok(Err(refusal(RefusalCode::TicketExpired, text)));
        }
        None => devices::bind_ticket(connection, ticket.id, &key, now)?,
    }
    issue(connection, &folder.config, folder.key(), key, &ticket.grant, Some(ticket.id), now).map(Ok)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use outlet_core::identity::Role;
    use outlet_core::ids::{Collection, PersonId};

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + millis)
    }

    fn folder() -> (tempfile::TempDir, Folder) {
        let place = tempfile::tempdir().unwrap();
        Folder::init(place.path(), at(0)).unwrap();
        let (folder, unknown) = Folder::open(place.path(), Arc::new(|| at(0))).unwrap();
        assert!(unknown.is_empty());
        (place, folder)
    }

    fn grant() -> devices::Grant {
        devices::Grant {
            role: Role::Inspector,
            level: None,
            collections: vec![Collection::from_code(511_902).unwrap()],
            name: "张三".into(),
            person: PersonId([7; 16]),
        }
    }

    fn ticket(folder: &Folder, secret: [u8; 16], expires: Timestamp) {
        let hash = TicketSecret::from_bytes(secret).hash().0;
        folder.database.write(|tx| devices::insert_ticket(tx, &hash, &grant(), at(0), expires)).unwrap();
    }

    fn redeem_as(folder: &Folder, secret: &[u8], key: u8, now: Timestamp) -> Result<Certificate, RefusalCode> {
        let result = folder.database.write(|tx| redeem(tx, folder, secret, PublicKey([key; 32]), now)).unwrap();
        result.map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_ticket_makes_one_key_a_member_and_a_retry_gets_the_same_certificate() {
        let (_place, folder) = folder();
        ticket(&folder, [1; 16], at(1000));
        let first = redeem_as(&folder, &[1; 16], 9, at(10)).unwrap();
        // The answer was lost; the device asks again, later than the ticket lives.
        let second = redeem_as(&folder, &[1; 16], 9, at(5000)).unwrap();
        assert_eq!(first.to_bytes(), second.to_bytes());
        assert_eq!(redeem_as(&folder, &[1; 16], 8, at(20)).unwrap_err(), RefusalCode::TicketUsed);
        let member = folder.database.read(|tx| folder.roster(tx)).unwrap();
        assert_eq!(member.membership(&PublicKey([9; 32])).unwrap().name, "张三");
    }

    #[test]
    fn expired_and_tampered_tickets_are_refused() {
        let (_place, folder) = folder();
        ticket(&folder, [1; 16], at(1000));
        assert_eq!(redeem_as(&folder, &[1; 16], 9, at(1000)).unwrap_err(), RefusalCode::TicketExpired);
        assert_eq!(redeem_as(&folder, &[2; 16], 9, at(0)).unwrap_err(), RefusalCode::TicketUnknown);
        assert_eq!(redeem_as(&folder, &[1; 15], 9, at(0)).unwrap_err(), RefusalCode::TicketUnknown);
        // The refusals used nothing up.
        assert!(redeem_as(&folder, &[1; 16], 9, at(999)).is_ok());
    }

    #[test]
    fn secret_keys_are_files_of_their_owner_only() {
        let (place, folder) = folder();
        let keys = place.path().join(crate::folder::KEYS);
        let files: Vec<_> = std::fs::read_dir(&keys).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 2);
        #[cfg(unix)]
        for file in &files {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        }
        assert!(!format!("{folder:?}").contains(&data_encoding::HEXLOWER.encode(&folder.key().expose()[..])));
        let again = Folder::init(place.path(), at(0)).unwrap_err();
        assert_eq!(again.exit, crate::error::Exit::User);
    }
}
