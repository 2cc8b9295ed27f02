//! Bundles on the server's side: what a stick brings, and what goes out on one.
//!
//! What comes in takes the way of a session: the same admission, quotas, receipts and rulings, in the
//! name of the device that made the bundle. It *carried* the changes; who wrote them says each
//! signature. What goes out has the receipts with it, so that an author without a network hears what
//! others carried here for them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use outlet_core::bundle::{self, BundleError, Contents, Header, Imported, Writer};
use outlet_core::identity::Certificate;
use outlet_core::ids::{Collection, PublicKey};
use outlet_core::sync::replica::{Batch, BlobClass, FeedItem, ReplicaError, Sealed};
use outlet_transport::seal::{self, SealError};

use crate::db::{feed, files};
use crate::engine::{Engine, EngineError};
use crate::error::{CommandError, IoContext};
use crate::folder;
use crate::replica::{ServerReplica, item};

mod receipts;

/// Raw bytes of one batch: a frame takes a megabyte, and nothing compresses to more than it was.
const BATCH_BYTES: usize = 384 << 10;
/// Feed items read at a time.
const PAGE: usize = 256;

/// Takes a bundle: read to its end first, used only when it is whole and its maker is a member.
///
/// # Errors
/// When it is not for this server, damaged, made by a stranger, or the disk is full: what was taken
/// before stays, and the same file can be imported again.
pub fn import(engine: &Arc<Engine>, file: &Path) -> Result<(Contents, Imported), CommandError> {
    let contents = bundle::check(open(engine, file)?).map_err(|error| bad(file, error))?;
    let maker = contents.header.maker;
    let wanted = judge(engine, &contents.header)?;
    let input = open(engine, file)?;
    let mut replica = ServerReplica::for_bundle(Arc::clone(engine), wanted.iter().copied().collect());
    let imported = bundle::import(input, &mut replica, &maker, &wanted, engine.folder.now());
    Ok((contents, imported.map_err(|error| bad(file, error))?))
}

/// A member may bring what it may read; a former one, too: the engine holds what a revoked device carries
/// in its own name, and the work of others stands on their signatures.
fn judge(engine: &Engine, header: &Header) -> Result<BTreeSet<Collection>, CommandError> {
    if let Some(certificate) = header.certificate.as_ref().and_then(|sealed| Certificate::from_bytes(&sealed.0).ok())
        && certificate.value().key == header.maker
    {
        engine.recognise(&certificate, engine.folder.now())?;
    }
    let roster = engine.database().read::<_, EngineError>(|tx| Ok(engine.folder.roster(tx)?))?;
    if roster.is_server(&header.maker) {
        return Ok(header.collections.iter().copied().collect());
    }
    let Some(member) = roster.membership(&header.maker) else {
        return Err(CommandError::user(format!(
            "the bundle was made by key {}, which is no member of this system; nothing of it was used",
            header.maker.short()
        ))
        .hint("its device must be enrolled here, or belongs to another server"));
    };
    let wanted: BTreeSet<Collection> =
        header.collections.iter().copied().filter(|collection| member.reads(*collection)).collect();
    if wanted.is_empty() {
        let codes: Vec<String> = header.collections.iter().map(ToString::to_string).collect();
        let message = format!("{} may not read {}, so its bundle is not taken", member.name, codes.join(", "));
        return Err(CommandError::user(message).hint("have it exported by a device of that county"));
    }
    Ok(wanted)
}

fn open(engine: &Engine, file: &Path) -> Result<impl Read, CommandError> {
    let input = File::open(file).context(format_args!("opening {}", file.display()))?;
    seal::open(BufReader::new(input), engine.folder.key()).map_err(|error| {
        let hint = match error {
            SealError::ForOthers => "it was sealed for another server key: after `key rotate` export it again",
            _ => "copy the file again; nothing of it was used",
        };
        CommandError::user(format!("{} does not open: {error}", file.display())).hint(hint)
    })
}

fn bad(file: &Path, error: BundleError) -> CommandError {
    let again = "nothing of it was used: copy the file again, or have it exported again";
    match error {
        BundleError::Replica(ReplicaError::Full { .. }) => {
            CommandError::user("the disk is nearly full: the bundle was taken in part")
                .hint("free space, then import the same file again: what was taken stays")
        }
        BundleError::Replica(error) => CommandError::internal(format!("the bundle was taken in part: {error}"))
            .hint("import the same file again: what was taken stays"),
        BundleError::Io(error) => {
            CommandError::user(format!("{} is cut short or was altered ({error})", file.display())).hint(again)
        }
        error => CommandError::user(format!("{} is not used: {error}", file.display())).hint(again),
    }
}

/// What an export holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Exported {
    /// Items of the feeds: runs, certificates, rulings.
    pub items: u64,
    /// Photos and attachments, previews counted.
    pub photos: u64,
    /// Keys that can open it.
    pub sealed_for: usize,
    /// Length of the file.
    pub bytes: u64,
}

/// Writes everything of these collections for the members who may read all of them.
///
/// # Errors
/// When nobody may, the file exists, or it cannot be written; a partial file is removed.
pub fn export(
    engine: &Engine,
    file: &Path,
    collections: &BTreeSet<Collection>,
    photos: Option<bool>,
) -> Result<Exported, CommandError> {
    if file.exists() {
        let message = format!("{} exists; nothing was written", file.display());
        return Err(CommandError::user(message).hint("name a new file"));
    }
    let keys = recipients(engine, collections)?;
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = write(engine, &part, collections, photos, &keys).and_then(|exported| {
        let what = format!("writing {}", file.display());
        std::fs::rename(&part, file).context(&what)?;
        file.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), folder::sync_folder)?;
        Ok(exported)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written
}

fn recipients(engine: &Engine, collections: &BTreeSet<Collection>) -> Result<Vec<PublicKey>, CommandError> {
    let now = engine.folder.now();
    let roster = engine.database().read::<_, EngineError>(|tx| Ok(engine.folder.roster(tx)?))?;
    let members: BTreeSet<PublicKey> = roster.certificates().map(|cert| cert.value().key).collect();
    let may =
        |key: &PublicKey| roster.may_connect(key, now).is_ok_and(|member| member.collections.is_superset(collections));
    let keys: Vec<PublicKey> = members.into_iter().filter(may).collect();
    if keys.is_empty() {
        return Err(CommandError::user("no member may read all of these collections; nothing was written")
            .hint("export one bundle per collection"));
    }
    Ok(keys)
}

fn write(
    engine: &Engine,
    part: &Path,
    collections: &BTreeSet<Collection>,
    photos: Option<bool>,
    keys: &[PublicKey],
) -> Result<Exported, CommandError> {
    let what = format!("writing {}", part.display());
    let sealed = seal::seal(BufWriter::new(File::create(part).context(&what)?), keys)
        .map_err(|error| CommandError::internal(format!("{what} failed: {error}")))?;
    let own = engine.database().read::<_, EngineError>(|tx| {
        let roster = engine.folder.roster(tx)?;
        Ok(roster.server_certs().find(|cert| cert.value().key == engine.folder.key().public()).cloned())
    })?;
    let header = Header {
        maker: engine.folder.key().public(),
        made_at: engine.folder.now(),
        collections: collections.iter().copied().collect(),
        certificate: None,
        server_certificate: own.map(|cert| Sealed(cert.to_bytes())),
    };
    let mut writer = Writer::new(sealed, &header).context(&what)?;
    let mut exported = Exported { sealed_for: keys.len(), ..Exported::default() };
    for collection in [Collection::REFERENCE].iter().chain(collections) {
        exported.items += write_feed(engine, &mut writer, *collection).and_then(|done| done.context(&what))?;
    }
    for collection in collections {
        let receipts = receipts::of(engine, *collection)?;
        write_batches(&mut writer, receipts).context(&what)?;
    }
    if let Some(originals) = photos {
        for collection in collections {
            // A device that nobody is: it lacks everything.
            let all = engine
                .database()
                .read::<_, EngineError>(|tx| Ok(files::lacking(tx, *collection, &PublicKey([0; 32]))?))?;
            for offer in all.iter().filter(|offer| originals || offer.class == BlobClass::Preview) {
                let mut source = engine.photos.reader(&offer.hash);
                writer.file(offer, &mut source).context(&what)?;
                exported.photos += 1;
            }
        }
    }
    let mut out = writer.finish(engine.folder.key()).and_then(age::stream::StreamWriter::finish).context(&what)?;
    out.flush().context(&what)?;
    let file = out.into_inner().map_err(|error| error.into_error()).context(&what)?;
    file.sync_all().context(&what)?;
    exported.bytes = file.metadata().context(&what)?.len();
    Ok(exported)
}

/// Items in as many batches as they need.
fn write_batches<W: std::io::Write>(writer: &mut Writer<W>, items: Vec<(FeedItem, usize)>) -> std::io::Result<()> {
    let (mut open, mut bytes) = (Batch::default(), 0);
    for (item, size) in items {
        if bytes > 0 && bytes + size > BATCH_BYTES {
            writer.batch(&std::mem::take(&mut open))?;
            bytes = 0;
        }
        bytes += size;
        open.items.push(item);
    }
    writer.batch(&open)
}

/// One feed from its beginning, in its order.
fn write_feed<W: std::io::Write>(
    engine: &Engine,
    writer: &mut Writer<W>,
    collection: Collection,
) -> Result<std::io::Result<u64>, CommandError> {
    let (mut from, mut count, mut open, mut bytes) = (0, 0, Batch::default(), 0);
    loop {
        let page = engine.database().read::<_, EngineError>(|tx| {
            let stored = feed::after(tx, collection, from, PAGE)?;
            stored.iter().map(|stored| Ok((stored.seq, item(tx, stored)?))).collect::<Result<Vec<_>, EngineError>>()
        })?;
        let Some((last, _)) = page.last() else { break };
        from = *last;
        for (_, (item, size)) in page {
            if bytes > 0 && bytes + size > BATCH_BYTES {
                if let Err(error) = writer.batch(&std::mem::take(&mut open)) {
                    return Ok(Err(error));
                }
                bytes = 0;
            }
            bytes += size;
            count += 1;
            open.items.push(item);
        }
    }
    Ok(writer.batch(&open).map(|()| count))
}
