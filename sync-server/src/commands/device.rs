//! `device list|show|revoke`.

use std::collections::BTreeMap;

use outlet_core::identity::{Level, Role, Roster, SignedStatement, fingerprint};
use outlet_core::ids::{Collection, Digest, PersonId, PublicKey};
use outlet_core::sync::session::combined_digest;
use serde::Serialize;

use super::Outcome;
use crate::cli::DeviceCommand;
use crate::db::devices;
use crate::db::devices::StoredMember;
use crate::error::{CommandError, Exit};
use crate::folder::Folder;
use crate::membership;
use crate::ui::{self, Ui};

/// `device list --json`: a list of these; `device show --json`: one.
#[derive(Serialize)]
struct Device {
    key: PublicKey,
    fingerprint: String,
    name: String,
    person: PersonId,
    role: Role,
    level: Option<Level>,
    collections: Vec<Collection>,
    serial: u64,
    enrolled_at: String,
    valid_until: String,
    last_seen: Option<String>,
    clock_skew_ms: Option<i64>,
    /// When two devices last spoke with this key at the same time: its folder was copied.
    copied_at: Option<String>,
    revoked_at: Option<String>,
    /// The server itself: it signs and writes reference documents.
    server: bool,
    /// The last statement that both signed; null before the first sync that converged.
    converged: Option<Converged>,
}

/// "We hold the same."
#[derive(Serialize)]
struct Converged {
    at: String,
    server: PublicKey,
    documents: u64,
    held: u64,
    digest: Digest,
    collections: BTreeMap<String, Digest>,
}

impl Converged {
    fn of(bytes: &[u8]) -> Option<Self> {
        let signed = SignedStatement::from_bytes(bytes).ok()?;
        let statement = signed.verify().ok()?;
        let digests = statement.lines.iter().map(|line| (line.collection, line.digest)).collect();
        Some(Self {
            at: statement.at.to_string(),
            server: statement.acceptor,
            documents: statement.lines.iter().map(|line| line.count).sum(),
            held: statement.lines.iter().map(|line| line.held).sum(),
            digest: combined_digest(&digests),
            collections: digests.iter().map(|(collection, digest)| (collection.to_string(), *digest)).collect(),
        })
    }

    fn words(&self) -> String {
        let held = if self.held > 0 { format!(", {} changes held", self.held) } else { String::new() };
        let server = self.server.short();
        format!("with server {server} at {}, {} documents{held}, digest {}", self.at, self.documents, self.digest)
    }
}

impl Device {
    fn new(member: StoredMember, roster: &Roster, statement: Option<&[u8]>) -> Self {
        Self {
            fingerprint: fingerprint(&member.key),
            server: roster.is_server(&member.key),
            converged: statement.and_then(Converged::of),
            key: member.key,
            name: member.grant.name,
            person: member.grant.person,
            role: member.grant.role,
            level: member.grant.level,
            collections: member.grant.collections,
            serial: member.serial,
            enrolled_at: member.enrolled_at.to_string(),
            valid_until: member.not_after.to_string(),
            last_seen: member.last_seen.map(|at| at.to_string()),
            clock_skew_ms: member.skew_ms,
            copied_at: member.copied_at.map(|at| at.to_string()),
            revoked_at: member.revoked_at.map(|at| at.to_string()),
        }
    }

    fn state(&self) -> &'static str {
        match (&self.revoked_at, self.server) {
            (Some(_), _) => "revoked",
            (None, true) => "server",
            (None, false) => "active",
        }
    }

    fn collections(&self) -> String {
        self.collections.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
}

fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

pub(super) fn device(command: &DeviceCommand, folder: &Folder, ui: &mut Ui) -> Outcome {
    match command {
        DeviceCommand::List => list(folder, ui),
        DeviceCommand::Show { key } => show(&find(folder, key)?, ui),
        DeviceCommand::Revoke { key, reason } => revoke(&find(folder, key)?, reason, folder, ui),
    }
}

fn all(folder: &Folder) -> Result<Vec<Device>, CommandError> {
    folder.database.read::<_, CommandError>(|tx| {
        let roster = folder.roster(tx)?;
        let device = |member: StoredMember| {
            let statement = devices::statement(tx, &member.key)?;
            Ok(Device::new(member, &roster, statement.as_deref()))
        };
        devices::members(tx)?.into_iter().map(device).collect()
    })
}

fn find(folder: &Folder, key: &str) -> Result<Device, CommandError> {
    let given = key.to_ascii_lowercase();
    let mut found: Vec<Device> =
        all(folder)?.into_iter().filter(|device| device.key.to_string().starts_with(&given)).collect();
    match (found.pop(), found.is_empty()) {
        (Some(device), true) => Ok(device),
        (None, _) => Err(CommandError::user(format!("no device has a key that starts with {key:?}"))
            .hint("`outlet-server device list` shows all")),
        (Some(_), false) => {
            Err(CommandError::user(format!("several devices have a key that starts with {key:?}"))
                .hint("give more digits"))
        }
    }
}

fn list(folder: &Folder, ui: &mut Ui) -> Outcome {
    ui.show(&all(folder)?, |devices| {
        let row = |device: &Device| {
            vec![
                device.key.short(),
                word(&device.role),
                device.level.as_ref().map(word).unwrap_or_default(),
                device.collections(),
                match &device.copied_at {
                    Some(at) if device.revoked_at.is_none() => format!("{}, copied {at}", device.state()),
                    _ => device.state().to_owned(),
                },
                device.last_seen.clone().unwrap_or_default(),
                device.name.clone(),
            ]
        };
        ui::table(
            &["key", "role", "level", "collections", "state", "last seen", "name"],
            &devices.iter().map(row).collect::<Vec<_>>(),
        )
    })?;
    Ok(Exit::Ok)
}

fn show(device: &Device, ui: &mut Ui) -> Outcome {
    ui.show(device, |device| {
        let optional = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
        [
            ("key", device.key.to_string()),
            ("fingerprint", device.fingerprint.clone()),
            ("name", device.name.clone()),
            ("person", device.person.to_string()),
            ("role", word(&device.role)),
            ("level", device.level.as_ref().map_or_else(|| "-".into(), word)),
            ("collections", device.collections()),
            ("state", device.state().to_owned()),
            ("enrolled", device.enrolled_at.clone()),
            ("valid until", device.valid_until.clone()),
            ("last seen", optional(&device.last_seen)),
            ("copied", device.copied_at.as_ref().map_or_else(|| "-".into(), |at| copied_words(at))),
            ("revoked", optional(&device.revoked_at)),
            ("converged", device.converged.as_ref().map_or_else(|| "-".into(), Converged::words)),
        ]
        .map(|(label, value)| format!("{label:<12} {value}"))
        .join("\n")
    })?;
    Ok(Exit::Ok)
}

fn copied_words(at: &str) -> String {
    format!(
        "{at}: two devices spoke with this key at the same time, so its folder was copied; let one of them be enrolled \
         anew, in a new folder (`outlet-server ticket`)"
    )
}

fn revoke(device: &Device, reason: &str, folder: &Folder, ui: &mut Ui) -> Outcome {
    let revoked = membership::revoke(folder, device.key, reason, ui.env.now(), "command line")?;
    if !revoked {
        let since = device.revoked_at.clone().unwrap_or_default();
        return Err(CommandError::user(format!("{} is revoked since {since}", device.key.short())));
    }
    let device = find(folder, &device.key.to_string())?;
    ui.show(&device, |device| {
        format!(
            "{} is revoked: what the server has stays, what comes later is held (`outlet-server quarantine list`)",
            device.key.short()
        )
    })?;
    Ok(Exit::Ok)
}
