//! Rows of photos and attachments: written after the bytes are durable, before the receipt.

use outlet_core::ids::{BlobHash, Collection, DocKey, PublicKey};
use outlet_core::sync::replica::{BlobClass, BlobOffer};
use outlet_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::{DbError, fixed, int, optional, uint};

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredFile {
    /// Its bytes are here; the receipt as signed.
    Here(Vec<u8>),
    /// Its bytes were removed by a signed decision.
    Withdrawn,
}

fn class_number(class: BlobClass) -> i64 {
    match class {
        BlobClass::Preview => 0,
        BlobClass::Original => 1,
        BlobClass::Attachment => 2,
    }
}

fn class_from(number: i64) -> Result<BlobClass, DbError> {
    match number {
        0 => Ok(BlobClass::Preview),
        1 => Ok(BlobClass::Original),
        2 => Ok(BlobClass::Attachment),
        other => Err(DbError::Damaged(format!("file class {other}"))),
    }
}

/// The file, if the server has or had it.
///
/// # Errors
/// When SQLite refuses.
pub fn get(connection: &Connection, hash: &BlobHash) -> Result<Option<StoredFile>, DbError> {
    let sql = "SELECT withdrawn_at IS NOT NULL, receipt FROM blobs WHERE hash = ?1";
    let row = connection
        .prepare_cached(sql)?
        .query_row([&hash.0[..]], |row| Ok((row.get::<_, bool>(0)?, row.get::<_, Vec<u8>>(1)?)));
    Ok(optional(row)?
        .map(|(withdrawn, receipt)| if withdrawn { StoredFile::Withdrawn } else { StoredFile::Here(receipt) }))
}

/// Notes a file whose bytes are durable.
///
/// # Errors
/// When SQLite refuses.
pub fn insert(
    connection: &Connection,
    offer: &BlobOffer,
    carrier: &PublicKey,
    now: Timestamp,
    receipt: &[u8],
) -> Result<(), DbError> {
    let sql = "INSERT INTO blobs (hash, bytes, class, doc, original, collection, carrier, received_at, receipt) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (hash) DO NOTHING";
    let new = connection.prepare_cached(sql)?.execute(params![
        &offer.hash.0[..],
        int(offer.bytes),
        class_number(offer.class),
        &offer.doc.to_bytes()[..],
        offer.original.map(|hash| hash.0.to_vec()),
        offer.doc.collection.code(),
        &carrier.0[..],
        now.millis(),
        receipt
    ])?;
    if new == 1 && offer.class == BlobClass::Preview && offer.bytes <= LARGEST_PREVIEW {
        let waits = "INSERT INTO picture_waiting (preview) VALUES (?1) ON CONFLICT DO NOTHING";
        connection.prepare_cached(waits)?.execute([&offer.hash.0[..]])?;
    }
    Ok(())
}

/// What is larger is no preview: nothing looks at its picture.
const LARGEST_PREVIEW: u64 = 2 << 20;

/// Marks a file as withdrawn, also when it never came.
///
/// # Errors
/// When SQLite refuses.
pub fn withdraw(connection: &Connection, hash: &BlobHash, doc: &DocKey, now: Timestamp) -> Result<(), DbError> {
    let sql = "INSERT INTO blobs (hash, bytes, class, doc, collection, carrier, received_at, receipt, withdrawn_at) \
               VALUES (?1, 0, 2, ?2, ?3, zeroblob(32), ?4, zeroblob(0), ?4) ON CONFLICT (hash) DO UPDATE SET withdrawn_at = ?4";
    connection.prepare_cached(sql)?.execute(params![
        &hash.0[..],
        &doc.to_bytes()[..],
        doc.collection.code(),
        now.millis()
    ])?;
    connection.prepare_cached("DELETE FROM picture_waiting WHERE preview = ?1")?.execute([&hash.0[..]])?;
    Ok(())
}

/// All withdrawn files.
///
/// # Errors
/// When SQLite refuses.
pub fn withdrawn(connection: &Connection) -> Result<Vec<BlobHash>, DbError> {
    let mut statement = connection.prepare_cached("SELECT hash FROM blobs WHERE withdrawn_at IS NOT NULL")?;
    let hashes = statement.query_map([], |row| row.get::<_, Vec<u8>>(0))?.collect::<Result<Vec<_>, _>>()?;
    hashes.iter().map(|hash| Ok(BlobHash(fixed(hash, "file hash")?))).collect()
}

/// Files of a collection that a device neither brought nor has confirmed: previews first, newest
/// first.
///
/// # Errors
/// When SQLite refuses.
pub fn lacking(connection: &Connection, collection: Collection, device: &PublicKey) -> Result<Vec<BlobOffer>, DbError> {
    let sql = "SELECT hash, bytes, class, doc, original FROM blobs WHERE collection = ?1 AND carrier <> ?2 AND withdrawn_at IS NULL \
               AND NOT EXISTS (SELECT 1 FROM blobs_sent s WHERE s.device = ?2 AND s.hash = blobs.hash) \
               ORDER BY class <> 0, received_at DESC, hash";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![collection.code(), &device.0[..]])?;
    let mut offers = Vec::new();
    while let Some(row) = rows.next()? {
        offers.push(offer_of(row)?);
    }
    Ok(offers)
}

/// Receipts of the files of a collection, as signed.
///
/// # Errors
/// When SQLite refuses.
pub fn receipts(connection: &Connection, collection: Collection) -> Result<Vec<Vec<u8>>, DbError> {
    let sql = "SELECT receipt FROM blobs WHERE collection = ?1 AND withdrawn_at IS NULL ORDER BY received_at, hash";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([collection.code()], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A file as an offer, if its bytes are here.
///
/// # Errors
/// When SQLite refuses.
pub fn offer(connection: &Connection, hash: &BlobHash) -> Result<Option<BlobOffer>, DbError> {
    let sql = "SELECT hash, bytes, class, doc, original FROM blobs WHERE hash = ?1 AND withdrawn_at IS NULL";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([&hash.0[..]])?;
    rows.next()?.map(offer_of).transpose()
}

fn offer_of(row: &rusqlite::Row<'_>) -> Result<BlobOffer, DbError> {
    let doc: Vec<u8> = row.get(3)?;
    let original: Option<Vec<u8>> = row.get(4)?;
    Ok(BlobOffer {
        hash: BlobHash(fixed(&row.get::<_, Vec<u8>>(0)?, "file hash")?),
        bytes: uint(row.get(1)?),
        class: class_from(row.get(2)?)?,
        doc: DocKey::from_bytes(&doc).ok_or_else(|| DbError::Damaged("document key".into()))?,
        original: original.map(|hash| fixed(&hash, "file hash").map(BlobHash)).transpose()?,
    })
}

/// Notes that a device holds a file.
///
/// # Errors
/// When SQLite refuses.
pub fn sent(connection: &Connection, device: &PublicKey, hash: &BlobHash) -> Result<(), DbError> {
    let sql = "INSERT INTO blobs_sent (device, hash) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    connection.prepare_cached(sql)?.execute(params![&device.0[..], &hash.0[..]])?;
    Ok(())
}

/// Number of files here and their bytes.
///
/// # Errors
/// When SQLite refuses.
pub fn totals(connection: &Connection) -> Result<(u64, u64), DbError> {
    let sql = "SELECT count(*), coalesce(sum(bytes), 0) FROM blobs WHERE withdrawn_at IS NULL";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| Ok((uint(row.get(0)?), uint(row.get(1)?))))?)
}
