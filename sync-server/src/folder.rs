//! The data folder: settings, database, keys, photos, and who may do what.
//!
//! `keys/root.key` signs server keys and nothing else; it belongs offline. `keys/server-….key`
//! signs certificates, receipts, rulings, and what the server itself writes.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use outlet_core::identity::{
    Certificate, KeyUse, Level, Membership, Role, Roster, SecretKey, ServerCert, ServerGrant, ServerStanding, Signed,
    SignedRevocation, read_key_file, write_key_file,
};
use outlet_core::ids::{Actor, Collection, Epoch, PersonId, PublicKey};
use outlet_core::time::Timestamp;
use rusqlite::Connection;

use crate::config::{self, Config};
use crate::db::{self, Database, DbError, devices, feed, meta};
use crate::env::{Clock, random};
use crate::error::{CommandError, IoContext};

/// Folder of the key files.
pub const KEYS: &str = "keys";
/// File of the root key.
pub const ROOT_KEY: &str = "root.key";
/// Key of [`meta`]: the server key in use.
const SERVER_KEY: &str = "server_key";
/// Key of [`meta`]: counter of certificates.
pub(crate) const SERIAL: &str = "serial";
/// Name under which the server writes.
const SERVER_NAME: &str = "outlet-server";

/// An open data folder.
pub struct Folder {
    root: PathBuf,
    /// Settings.
    pub config: Config,
    /// The database.
    pub database: Database,
    /// Wall clock.
    pub clock: Clock,
    key: SecretKey,
    incarnation: [u8; 4],
    roster: Mutex<Option<(u64, Arc<Roster>)>>,
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Folder").field("root", &self.root).finish_non_exhaustive()
    }
}

/// What `init` made.
#[derive(Debug)]
pub struct Made {
    /// Public root key: what devices pin.
    pub root: PublicKey,
    /// Public server key.
    pub server: PublicKey,
    /// Where the secret root key is.
    pub root_key_file: PathBuf,
}

impl Folder {
    /// Makes a new data folder: keys, database, commented settings.
    ///
    /// # Errors
    /// When there is a database already, or a file cannot be written.
    pub fn init(root: &Path, now: Timestamp) -> Result<Made, CommandError> {
        if root.join(db::FILE).exists() {
            let message = format!("{} is a data folder already; nothing was changed", root.display());
            return Err(CommandError::user(message).hint("start it with `outlet-server serve`, or name another folder"));
        }
        let keys = root.join(KEYS);
        let fresh = !root.exists();
        std::fs::create_dir_all(&keys).context(format_args!("making {}", keys.display()))?;
        private_folder(&keys)?;
        if fresh {
            // Names of people are in the database.
            private_folder(root)?;
        }
        let root_key = SecretKey::from_bytes(random()?);
        let root_key_file = keys.join(ROOT_KEY);
        write_secret(&root_key_file, &write_key_file(&root_key, KeyUse::Root))?;
        let server = new_server_key(root)?;
        let config_file = root.join(config::FILE);
        if !config_file.exists() {
            std::fs::write(&config_file, config::commented())
                .context(format_args!("writing {}", config_file.display()))?;
        }
        let (config, _) = Config::load(root)?;
        let database = Database::create(&root.join(db::FILE))?;
        database.write::<_, CommandError>(|tx| {
            meta::set(tx, meta::EPOCH, &random::<8>()?[..])?;
            meta::set(tx, meta::ROOT, &root_key.public().0[..])?;
            meta::set(tx, "person", &random::<16>()?[..])?;
            vouch(tx, &root_key, server.public(), ServerStanding::Active, now)?;
            use_server_key(tx, &config, &server, now)?;
            meta::audit(tx, now, "init", "init", "")?;
            Ok(())
        })?;
        sync_folder(root)?;
        Ok(Made { root: root_key.public(), server: server.public(), root_key_file })
    }

    /// Opens a data folder.
    ///
    /// # Errors
    /// When it is none, the settings are wrong, or the server key is missing.
    pub fn open(root: &Path, clock: Clock) -> Result<(Self, Vec<String>), CommandError> {
        let (config, unknown) = Config::load(root)?;
        let database = Database::open(&root.join(db::FILE))?;
        let public = database.read::<_, CommandError>(|tx| {
            let bytes: Vec<u8> = meta::get(tx, SERVER_KEY)?.ok_or_else(|| DbError::Damaged("no server key".into()))?;
            Ok(PublicKey(db::fixed(&bytes, "server key")?))
        })?;
        let file = server_key_file(root, &public);
        let key = read_key(&file, KeyUse::Server)?;
        if key.public() != public {
            let message = format!("{} does not hold the key that the database names", file.display());
            return Err(CommandError::user(message).hint("restore the folder with `outlet-server restore`"));
        }
        let incarnation = random()?;
        let roster = Mutex::new(None);
        Ok((Self { root: root.to_owned(), config, database, clock, key, incarnation, roster }, unknown))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The clock's reading.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// The server's secret key.
    #[must_use]
    pub fn key(&self) -> &SecretKey {
        &self.key
    }

    /// The server as author: its key with an incarnation of this start.
    #[must_use]
    pub fn actor(&self) -> Actor {
        Actor::new(self.key.public(), self.incarnation)
    }

    /// Life of the database.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn epoch(&self) -> Result<Epoch, DbError> {
        self.database.read(|tx| meta::epoch(tx))
    }

    /// Folder of files that are arriving.
    #[must_use]
    pub fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    /// Folder of photos and attachments.
    #[must_use]
    pub fn photos(&self) -> PathBuf {
        self.root.join(&self.config.photos.folder)
    }

    /// Who may do what, as of this snapshot. Cached: another process may change it, hence the
    /// counter in the database.
    ///
    /// # Errors
    /// When SQLite refuses, or a stored certificate does not verify.
    pub fn roster(&self, connection: &Connection) -> Result<Arc<Roster>, DbError> {
        let generation = meta::get::<i64>(connection, meta::ROSTER)?.map_or(0, db::uint);
        let mut cached = self.roster.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, roster)) = cached.as_ref()
            && *known == generation
        {
            return Ok(Arc::clone(roster));
        }
        let roster = Arc::new(load_roster(connection)?);
        *cached = Some((generation, Arc::clone(&roster)));
        Ok(roster)
    }
}

/// Reads all certificates and revocations.
fn load_roster(connection: &Connection) -> Result<Roster, DbError> {
    let root: Vec<u8> = meta::get(connection, meta::ROOT)?.ok_or_else(|| DbError::Damaged("no root key".into()))?;
    let mut roster = Roster::new(PublicKey(db::fixed(&root, "root key")?));
    let damaged = |error| DbError::Damaged(format!("{error}"));
    for bytes in feed::all_sealed(connection, feed::ItemKind::ServerCert)? {
        ServerCert::from_bytes(&bytes).and_then(|cert| roster.add_server(&cert)).map_err(damaged)?;
    }
    for bytes in feed::all_sealed(connection, feed::ItemKind::Certificate)? {
        Certificate::from_bytes(&bytes).and_then(|cert| roster.add(&cert)).map_err(damaged)?;
    }
    for bytes in feed::all_sealed(connection, feed::ItemKind::Revocation)? {
        SignedRevocation::from_bytes(&bytes).and_then(|revocation| roster.revoke(&revocation)).map_err(damaged)?;
    }
    Ok(roster)
}

/// Signs and stores a server certificate by the root.
///
/// # Errors
/// When SQLite refuses.
pub(crate) fn vouch(
    connection: &Connection,
    root: &SecretKey,
    key: PublicKey,
    standing: ServerStanding,
    now: Timestamp,
) -> Result<(), DbError> {
    let serial = meta::next(connection, SERIAL)?;
    let grant = ServerGrant { key, name: SERVER_NAME.to_owned(), issued_at: now, serial, standing };
    let cert: ServerCert = Signed::sign(root, grant);
    feed::append_sealed(connection, Collection::REFERENCE, feed::ItemKind::ServerCert, &key.0, &cert.to_bytes())?;
    meta::next(connection, meta::ROSTER)?;
    Ok(())
}

/// Makes a server key the one in use: it becomes a member too, since it writes reference documents.
///
/// # Errors
/// When SQLite refuses.
pub(crate) fn use_server_key(
    connection: &Connection,
    config: &Config,
    key: &SecretKey,
    now: Timestamp,
) -> Result<(), DbError> {
    meta::set(connection, SERVER_KEY, &key.public().0[..])?;
    let person: Vec<u8> = meta::get(connection, "person")?.ok_or_else(|| DbError::Damaged("no person".into()))?;
    let grant = devices::Grant {
        role: Role::Admin,
        level: Some(Level::City),
        collections: vec![Collection::REFERENCE],
        name: SERVER_NAME.to_owned(),
        person: PersonId(db::fixed(&person, "person")?),
    };
    issue(connection, config, key, key.public(), &grant, None, now)?;
    Ok(())
}

/// Signs, stores and announces a membership certificate.
///
/// # Errors
/// When SQLite refuses.
pub fn issue(
    connection: &Connection,
    config: &Config,
    signer: &SecretKey,
    key: PublicKey,
    grant: &devices::Grant,
    ticket: Option<i64>,
    now: Timestamp,
) -> Result<Certificate, DbError> {
    let serial = meta::next(connection, SERIAL)?;
    let validity = i64::try_from(config.membership.validity.as_millis()).unwrap_or(i64::MAX);
    let not_after = now.plus_millis(validity);
    let membership = Membership {
        key,
        person: grant.person,
        name: grant.name.clone(),
        role: grant.role,
        level: grant.level,
        collections: grant.collections.iter().copied().collect(),
        not_before: now.plus_millis(-Membership::BACKDATED_MS),
        not_after,
        serial,
    };
    let cert = Certificate::sign(signer, membership);
    let member = devices::StoredMember {
        key,
        grant: grant.clone(),
        serial,
        not_after,
        enrolled_at: now,
        last_seen: None,
        skew_ms: None,
        copied_at: None,
        revoked_at: None,
    };
    devices::put_member(connection, &member, ticket)?;
    feed::append_sealed(connection, Collection::REFERENCE, feed::ItemKind::Certificate, &key.0, &cert.to_bytes())?;
    meta::next(connection, meta::ROSTER)?;
    Ok(cert)
}

/// Takes back a membership that this server signed before its database was restored.
///
/// # Errors
/// When SQLite refuses.
pub(crate) fn take_back(connection: &Connection, cert: &Certificate, now: Timestamp) -> Result<(), DbError> {
    let membership = cert.value();
    let member = devices::StoredMember {
        key: membership.key,
        grant: devices::Grant {
            role: membership.role,
            level: membership.level,
            collections: membership.collections.iter().copied().collect(),
            name: membership.name.clone(),
            person: membership.person,
        },
        serial: membership.serial,
        not_after: membership.not_after,
        enrolled_at: now,
        last_seen: None,
        skew_ms: None,
        copied_at: None,
        revoked_at: None,
    };
    // Numbers given after this one must be larger, or an older certificate would win.
    if meta::get::<i64>(connection, SERIAL)?.map_or(0, db::uint) < membership.serial {
        meta::set(connection, SERIAL, db::int(membership.serial))?;
    }
    devices::put_member(connection, &member, None)?;
    feed::append_sealed(
        connection,
        Collection::REFERENCE,
        feed::ItemKind::Certificate,
        &member.key.0,
        &cert.to_bytes(),
    )?;
    meta::next(connection, meta::ROSTER)?;
    Ok(())
}

/// Takes back a revocation that this server signed before its database was restored.
///
/// # Errors
/// When SQLite refuses.
pub(crate) fn take_back_revocation(connection: &Connection, revocation: &SignedRevocation) -> Result<(), DbError> {
    let (key, at) = (revocation.value().key, revocation.value().at);
    devices::revoke(connection, &key, at)?;
    let bytes = revocation.to_bytes();
    feed::append_sealed(connection, Collection::REFERENCE, feed::ItemKind::Revocation, &key.0, &bytes)?;
    meta::next(connection, meta::ROSTER)?;
    Ok(())
}

/// Makes a server key and its file.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn new_server_key(root: &Path) -> Result<SecretKey, CommandError> {
    let key = SecretKey::from_bytes(random()?);
    write_secret(&server_key_file(root, &key.public()), &write_key_file(&key, KeyUse::Server))?;
    Ok(key)
}

fn server_key_file(root: &Path, key: &PublicKey) -> PathBuf {
    root.join(KEYS).join(format!("server-{}.key", key.short()))
}

/// Reads a key file.
///
/// # Errors
/// When it is missing or damaged.
pub(crate) fn read_key(file: &Path, usage: KeyUse) -> Result<SecretKey, CommandError> {
    let bytes = std::fs::read(file).context(format_args!("reading {}", file.display()))?;
    read_key_file(&bytes, usage).map_err(|error| CommandError::user(format!("{}: {error}", file.display())))
}

/// Writes a file that only its owner reads, durably.
pub(crate) fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let what = format!("writing {}", path.display());
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).context(&what)?;
    file.write_all(bytes).context(&what)?;
    file.sync_all().context(&what)?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn private_folder(path: &Path) -> Result<(), CommandError> {
    #[cfg(unix)]
    {
        let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o700);
        std::fs::set_permissions(path, mode).context(format_args!("protecting {}", path.display()))?;
    }
    Ok(())
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> Result<(), CommandError> {
    std::fs::File::open(path).and_then(|folder| folder.sync_all()).context(format_args!("syncing {}", path.display()))
}
