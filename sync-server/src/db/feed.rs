//! The feed: one numbered, hash-linked list per collection of what a device must learn.
//!
//! The number comes from an `UPDATE … RETURNING` inside the batch's own transaction, so commit
//! order is sequence order, and the chain makes a cursor of a foreign or restored database visible.

use outlet_core::identity::Receipt;
use outlet_core::ids::{ChangeHash, Collection, DocKey, PublicKey};
use outlet_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::{DbError, fixed, int, optional, uint};

/// What an item of the feed is. The number is what the database holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum ItemKind {
    /// A signed run; the reference is its row.
    Run = 1,
    /// A membership certificate; this and the following refer to what was signed.
    Certificate = 2,
    /// A revocation.
    Revocation = 3,
    /// A ruling.
    Ruling = 4,
    /// A server's certificate.
    ServerCert = 5,
}

impl ItemKind {
    fn from_number(number: i64) -> Result<Self, DbError> {
        [Self::Run, Self::Certificate, Self::Revocation, Self::Ruling, Self::ServerCert]
            .into_iter()
            .find(|kind| *kind as i64 == number)
            .ok_or_else(|| DbError::Damaged(format!("feed item of kind {number}")))
    }
}

/// An item to append.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// What it is.
    pub kind: ItemKind,
    /// Row that holds it.
    pub reference: i64,
    /// What the chain covers: the item's own hash.
    pub hash: &'a [u8],
    /// Who brought it: not sent back to them.
    pub carrier: Option<&'a PublicKey>,
}

/// Where a collection's feed ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// Number of the last item, 0 when empty.
    pub seq: u64,
    /// Hash over all items.
    pub chain: [u8; 16],
}

/// End of the feed.
///
/// # Errors
/// When SQLite refuses.
pub fn head(connection: &Connection, collection: Collection) -> Result<Head, DbError> {
    let sql = "SELECT seq, chain FROM feed_head WHERE collection = ?1";
    let found = optional(
        connection
            .prepare_cached(sql)?
            .query_row([collection.code()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))),
    )?;
    found.map_or(Ok(Head::default()), |(seq, chain)| Ok(Head { seq: uint(seq), chain: fixed(&chain, "chain")? }))
}

/// Appends items; returns the first and last number.
///
/// # Errors
/// When SQLite refuses.
pub fn append(connection: &Connection, collection: Collection, items: &[Item<'_>]) -> Result<(u64, u64), DbError> {
    let mut chain = head(connection, collection)?.chain;
    let make = "INSERT INTO feed_head (collection, seq, chain) VALUES (?1, 0, zeroblob(16)) ON CONFLICT DO NOTHING";
    connection.prepare_cached(make)?.execute([collection.code()])?;
    let take = "UPDATE feed_head SET seq = seq + ?2 WHERE collection = ?1 RETURNING seq";
    let last: i64 = connection
        .prepare_cached(take)?
        .query_row(params![collection.code(), int(items.len() as u64)], |row| row.get(0))?;
    let last = uint(last);
    let first = last - items.len() as u64 + 1;
    let insert = "INSERT INTO feed (collection, seq, kind, ref, carrier, chain) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let mut insert = connection.prepare_cached(insert)?;
    for (seq, item) in (first..).zip(items) {
        chain = link(&chain, item);
        let carrier = item.carrier.map(|key| &key.0[..]);
        insert.execute(params![collection.code(), int(seq), item.kind as i64, item.reference, carrier, &chain[..]])?;
    }
    connection
        .prepare_cached("UPDATE feed_head SET chain = ?2 WHERE collection = ?1")?
        .execute(params![collection.code(), &chain[..]])?;
    Ok((first, last))
}

fn link(chain: &[u8; 16], item: &Item<'_>) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new_derive_key("outlet 2026 feed chain v1");
    hasher.update(chain).update(&(item.kind as i64).to_be_bytes()).update(item.hash);
    let mut link = [0; 16];
    hasher.finalize_xof().fill(&mut link);
    link
}

/// Does this chain value stand at this number? Number 0 always has the zero chain.
///
/// # Errors
/// When SQLite refuses.
pub fn cursor_holds(
    connection: &Connection,
    collection: Collection,
    seq: u64,
    chain: &[u8; 16],
) -> Result<bool, DbError> {
    if seq == 0 {
        return Ok(*chain == [0; 16]);
    }
    let sql = "SELECT chain FROM feed WHERE collection = ?1 AND seq = ?2";
    let found = optional(
        connection.prepare_cached(sql)?.query_row(params![collection.code(), int(seq)], |row| row.get::<_, Vec<u8>>(0)),
    )?;
    Ok(found.is_some_and(|found| found == chain))
}

/// An item as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its number.
    pub seq: u64,
    /// What it is.
    pub kind: ItemKind,
    /// Row that holds it.
    pub reference: i64,
    /// Who brought it.
    pub carrier: Option<Vec<u8>>,
    /// Chain up to and with it.
    pub chain: [u8; 16],
}

/// Items after a number, at most `limit`.
///
/// # Errors
/// When SQLite refuses.
pub fn after(connection: &Connection, collection: Collection, seq: u64, limit: usize) -> Result<Vec<Stored>, DbError> {
    let sql =
        "SELECT seq, kind, ref, carrier, chain FROM feed WHERE collection = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![collection.code(), int(seq), int(limit as u64)])?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(Stored {
            seq: uint(row.get(0)?),
            kind: ItemKind::from_number(row.get(1)?)?,
            reference: row.get(2)?,
            carrier: row.get(3)?,
            chain: fixed(&row.get::<_, Vec<u8>>(4)?, "chain")?,
        });
    }
    Ok(items)
}

/// A run of a feed as receipts speak of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipted {
    /// Its number in the feed.
    pub seq: u64,
    /// Its document.
    pub doc: DocKey,
    /// Its last change.
    pub last: ChangeHash,
    /// Who wrote it.
    pub author: PublicKey,
    /// When it came.
    pub at: Timestamp,
}

/// All runs of a feed, by author, then by moment, then in their order.
///
/// # Errors
/// When SQLite refuses.
pub fn receipted(connection: &Connection, collection: Collection) -> Result<Vec<Receipted>, DbError> {
    let sql = "SELECT f.seq, r.doc, substr(r.hashes, -32), r.author, r.received_at FROM feed f JOIN runs r ON r.id = f.ref \
               WHERE f.collection = ?1 AND f.kind = ?2 ORDER BY r.author, r.received_at, f.seq";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![collection.code(), ItemKind::Run as i64])?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        let doc: Vec<u8> = row.get(1)?;
        runs.push(Receipted {
            seq: uint(row.get(0)?),
            doc: DocKey::from_bytes(&doc).ok_or_else(|| DbError::Damaged("document key".into()))?,
            last: ChangeHash(fixed(&row.get::<_, Vec<u8>>(2)?, "change hash")?),
            author: PublicKey(fixed(&row.get::<_, Vec<u8>>(3)?, "author")?),
            at: Timestamp::from_millis(row.get(4)?),
        });
    }
    Ok(runs)
}

/// Keeps something signed and appends it to a feed; `about` is the key or change it speaks of.
///
/// # Errors
/// When SQLite refuses.
pub fn append_sealed(
    connection: &Connection,
    collection: Collection,
    kind: ItemKind,
    about: &[u8],
    bytes: &[u8],
) -> Result<(), DbError> {
    let reference = keep_sealed(connection, kind, about, bytes)?;
    let hash = blake3::hash(bytes);
    append(connection, collection, &[Item { kind, reference, hash: hash.as_bytes(), carrier: None }])?;
    Ok(())
}

/// Keeps something signed; returns its row.
///
/// # Errors
/// When SQLite refuses.
pub fn keep_sealed(connection: &Connection, kind: ItemKind, about: &[u8], bytes: &[u8]) -> Result<i64, DbError> {
    let sql = "INSERT INTO sealed (kind, about, bytes) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute(params![kind as i64, about, bytes])?;
    Ok(connection.last_insert_rowid())
}

/// Keeps a receipt as signed.
///
/// # Errors
/// When SQLite refuses.
pub fn keep_receipt(
    connection: &Connection,
    device: &PublicKey,
    receipt: &Receipt,
    bytes: &[u8],
) -> Result<(), DbError> {
    let sql =
        "INSERT INTO receipts (device, collection, from_seq, to_seq, at, receipt) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection.prepare_cached(sql)?.execute(params![
        &device.0[..],
        receipt.collection.code(),
        int(receipt.from_seq),
        int(receipt.to_seq),
        receipt.at.millis(),
        bytes
    ])?;
    Ok(())
}

/// Something signed, by row.
///
/// # Errors
/// When SQLite refuses.
pub fn sealed(connection: &Connection, id: i64) -> Result<Option<Vec<u8>>, DbError> {
    optional(connection.prepare_cached("SELECT bytes FROM sealed WHERE id = ?1")?.query_row([id], |row| row.get(0)))
}

/// Everything signed of a kind, oldest first.
///
/// # Errors
/// When SQLite refuses.
pub fn all_sealed(connection: &Connection, kind: ItemKind) -> Result<Vec<Vec<u8>>, DbError> {
    let mut statement = connection.prepare_cached("SELECT bytes FROM sealed WHERE kind = ?1 ORDER BY id")?;
    Ok(statement.query_map([kind as i64], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Runs of a feed after a number that somebody else brought: documents, changes, bytes.
///
/// # Errors
/// When SQLite refuses.
pub fn pending(
    connection: &Connection,
    collection: Collection,
    seq: u64,
    peer: &PublicKey,
) -> Result<(u64, u64, u64), DbError> {
    let sql = "SELECT count(DISTINCT runs.doc), coalesce(sum(length(hashes) / 32), 0), coalesce(sum(length(run)), 0) \
               FROM feed JOIN runs ON runs.id = feed.ref WHERE feed.collection = ?1 AND seq > ?2 AND kind = 1 \
               AND (feed.carrier IS NULL OR feed.carrier <> ?3)";
    let row = connection.prepare_cached(sql)?.query_row(params![collection.code(), int(seq), &peer.0[..]], |row| {
        Ok((uint(row.get(0)?), uint(row.get(1)?), uint(row.get(2)?)))
    })?;
    Ok(row)
}

/// Collections that have a feed or a digest, sorted.
///
/// # Errors
/// When SQLite refuses.
pub fn collections(connection: &Connection) -> Result<Vec<Collection>, DbError> {
    let sql = "SELECT collection FROM feed_head UNION SELECT collection FROM digest ORDER BY 1";
    let mut statement = connection.prepare_cached(sql)?;
    let codes = statement.query_map([], |row| row.get::<_, u32>(0))?.collect::<Result<Vec<_>, _>>()?;
    codes
        .into_iter()
        .map(|code| Collection::from_code(code).ok_or_else(|| DbError::Damaged(format!("collection {code}"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{Database, FILE};

    #[test]
    fn numbers_continue_and_the_chain_tells_a_foreign_cursor() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::create(&folder.path().join(FILE)).unwrap();
        let here = Collection::from_code(511_902).unwrap();
        let item = |hash| Item { kind: ItemKind::Run, reference: 7, hash, carrier: None };
        let first = database.write(|tx| append(tx, here, &[item(b"a"), item(b"b")])).unwrap();
        let second = database.write(|tx| append(tx, here, &[item(b"c")])).unwrap();
        assert_eq!((first, second), ((1, 2), (3, 3)));
        database
            .read(|tx| {
                let items = after(tx, here, 1, 10)?;
                assert_eq!(items.iter().map(|item| item.seq).collect::<Vec<_>>(), [2, 3]);
                assert_eq!(head(tx, here)?, Head { seq: 3, chain: items[1].chain });
                assert!(cursor_holds(tx, here, 2, &items[0].chain)?);
                assert!(!cursor_holds(tx, here, 2, &items[1].chain)?);
                assert!(!cursor_holds(tx, here, 9, &items[1].chain)?);
                Ok::<_, DbError>(())
            })
            .unwrap();
    }
}
