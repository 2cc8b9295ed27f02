//! Perceptual hashes of photographs, computed once from the preview (or the original, where there
//! is no preview) after it arrived.

use std::collections::BTreeMap;

use image_hasher::{HashAlg, HasherConfig};
use outlet_core::domain::field::{FieldEntry, Photo};
use outlet_core::duplicate::PictureHash;
use outlet_core::ids::{BlobHash, DocKey};
use rusqlite::{Connection, params};

use crate::db::files::{self, StoredFile};
use crate::db::{DbError, fixed, optional};
use crate::engine::{Engine, EngineError, projector};

/// Photographs looked at in one go.
const AT_ONCE: u32 = 64;

/// A photograph whose picture was hashed.
pub(super) struct Shot {
    preview: BlobHash,
    photo: BlobHash,
    doc: DocKey,
    picture: Option<PictureHash>,
}

/// Whether there are any.
pub(super) fn waiting(connection: &Connection) -> Result<bool, DbError> {
    Ok(connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM picture_waiting)")?.query_row([], |row| row.get(0))?)
}

/// Hashes some of them. Outside of any transaction: decoding takes milliseconds each.
pub(super) fn compute(engine: &Engine) -> Result<Vec<Shot>, EngineError> {
    let todo = engine.database().read(|tx| unseen(tx))?;
    let shot = |(preview, photo, doc): (BlobHash, BlobHash, DocKey)| {
        let bytes = engine.photos.read_all(&preview).ok();
        Shot { preview, photo, doc, picture: bytes.and_then(|bytes| picture(&bytes)) }
    };
    Ok(todo.into_iter().map(shot).collect())
}

/// Preview, original and document of each.
fn unseen(connection: &Connection) -> Result<Vec<(BlobHash, BlobHash, DocKey)>, DbError> {
    let sql = "SELECT hash, coalesce(original, hash), doc FROM picture_waiting JOIN blobs ON hash = preview LIMIT ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([AT_ONCE])?;
    let mut todo = Vec::new();
    while let Some(row) = rows.next()? {
        let blob = |at: usize| -> Result<Vec<u8>, DbError> { Ok(row.get(at)?) };
        let doc = DocKey::from_bytes(&blob(2)?).ok_or_else(|| DbError::Damaged("document of a file".into()))?;
        todo.push((BlobHash(fixed(&blob(0)?, "file")?), BlobHash(fixed(&blob(1)?, "file")?), doc));
    }
    Ok(todo)
}

/// The hash of a picture: gradients of an 8 by 8 reduction.
pub(super) fn picture(bytes: &[u8]) -> Option<PictureHash> {
    let mut reader = image::ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format().ok()?;
    // A preview is 1,600 pixels wide at most; anything that claims much more is not decoded.
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(4096);
    limits.max_image_height = Some(4096);
    limits.max_alloc = Some(64 << 20);
    reader.limits(limits);
    let image = reader.decode().ok()?;
    let hasher = HasherConfig::new().hash_alg(HashAlg::Gradient).hash_size(8, 8).to_hasher();
    let hash = hasher.hash_image(&image);
    let bytes: [u8; 8] = hash.as_bytes().try_into().ok()?;
    Some(PictureHash(u64::from_be_bytes(bytes)))
}

/// Keeps what was computed; returns the outlets it is about.
pub(super) fn store(connection: &Connection, shots: &[Shot]) -> Result<Vec<DocKey>, DbError> {
    for shot in shots {
        let sql = "INSERT INTO picture (photo, picture) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        let picture = shot.picture.map(|picture| i64::from_be_bytes(picture.0.to_be_bytes()));
        connection.prepare_cached(sql)?.execute(params![&shot.photo.0[..], picture])?;
        let seen = "DELETE FROM picture_waiting WHERE preview = ?1";
        connection.prepare_cached(seen)?.execute([&shot.preview.0[..]])?;
    }
    let mut keys: Vec<DocKey> = shots.iter().map(|shot| shot.doc).collect();
    keys.sort();
    keys.dedup();
    Ok(keys)
}

/// The picture of a photograph, where it is known.
pub(super) fn of(connection: &Connection, photo: &BlobHash) -> Result<Option<PictureHash>, DbError> {
    let sql = "SELECT picture FROM picture WHERE photo = ?1";
    let found = connection.prepare_cached(sql)?.query_row([&photo.0[..]], |row| row.get::<_, Option<i64>>(0));
    Ok(optional(found)?.flatten().map(|bits| PictureHash(u64::from_be_bytes(bits.to_be_bytes()))))
}

/// Pictures of one record that a sheet shows.
const THUMBNAILS: usize = 3;

/// The first pictures of each record that are here, as the record names them: the same file may be on
/// several records, and then it is stored under one. The preview, or an original that browsers show.
///
/// # Errors
/// When the database refuses.
pub fn thumbnails(engine: &Engine, keys: &[DocKey]) -> Result<BTreeMap<DocKey, Vec<BlobHash>>, EngineError> {
    engine.database().read(|tx| {
        let mut found = BTreeMap::new();
        for key in keys {
            let mut hashes = Vec::new();
            for entry in projector::entries(tx, key)? {
                let Ok(FieldEntry::Photo(photo)) = entry.parse::<FieldEntry>() else { continue };
                hashes.extend(shown(tx, &photo)?);
                if hashes.len() == THUMBNAILS {
                    break;
                }
            }
            found.insert(*key, hashes);
        }
        Ok(found)
    })
}

/// What can be shown of a photo.
fn shown(connection: &Connection, photo: &Photo) -> Result<Option<BlobHash>, DbError> {
    let preview = photo.preview.as_ref().map(|preview| preview.sha256);
    let original = matches!(photo.mime.as_str(), "image/jpeg" | "image/png" | "image/webp").then_some(photo.sha256);
    for hash in [preview, original].into_iter().flatten() {
        if matches!(files::get(connection, &hash)?, Some(StoredFile::Here(_))) {
            return Ok(Some(hash));
        }
    }
    Ok(None)
}
