//! The photos with what their EXIF says, how far from the outlet they were taken, and what a person
//! should look at again.

use std::collections::BTreeSet;

use outlet_core::domain::field::Photo;
use outlet_core::geo::GeoPoint;
use outlet_core::ids::BlobHash;
use outlet_core::ledger::LedgerRow;

use super::super::Words;
use super::super::page::moment;
use super::dossier::Said;

/// One photo.
pub(in super::super) struct PhotoCard {
    /// Address of the preview; nothing while no bytes are here.
    pub preview: Option<String>,
    /// Address of the original; nothing while it is not here.
    pub original: Option<String>,
    pub slot: String,
    pub taken: String,
    pub who: String,
    pub distance: Option<String>,
    pub camera: String,
    pub caption: String,
    pub warnings: Vec<String>,
    /// First digits of the hash, to compare with a file.
    pub hash: String,
}

/// All photos, in the order in which they came.
pub(super) fn cards(
    words: Words,
    address: &str,
    field: &[Said],
    row: &LedgerRow,
    here: &BTreeSet<BlobHash>,
) -> Vec<PhotoCard> {
    let outlet = row.lon.zip(row.lat).and_then(|(lon, lat)| GeoPoint::new(lon, lat).ok());
    let photos = field.iter().filter(|said| said.kind() == "photo").filter_map(|said| {
        let photo: Photo = serde_json::from_value(said.value.clone()).ok()?;
        Some((said, photo))
    });
    photos.map(|(said, photo)| card(words, address, said, photo, outlet, here)).collect()
}

fn card(
    words: Words,
    address: &str,
    said: &Said,
    photo: Photo,
    outlet: Option<GeoPoint>,
    here: &BTreeSet<BlobHash>,
) -> PhotoCard {
    let file = |hash: &BlobHash| here.contains(hash).then(|| format!("{address}/files/{hash}"));
    let original = file(&photo.sha256);
    let shown = matches!(photo.mime.as_str(), "image/jpeg" | "image/png" | "image/webp");
    let preview = photo.preview.as_ref().and_then(|preview| file(&preview.sha256));
    let place = photo.lon.zip(photo.lat).and_then(|(lon, lat)| GeoPoint::new(lon, lat).ok());
    PhotoCard {
        preview: preview.or_else(|| original.clone().filter(|_| shown)),
        original,
        slot: words.term("photo_slot", &photo.slot),
        taken: photo.taken_at.map(moment).unwrap_or_default(),
        who: said.who.clone().unwrap_or_default(),
        distance: outlet.zip(place).map(|(outlet, place)| format!("{:.0} m", outlet.distance_m(place))),
        camera: photo.camera.unwrap_or_default(),
        caption: photo.caption.unwrap_or_default(),
        warnings: photo.warnings.iter().map(|code| words.term("photo_warning", code)).collect(),
        hash: photo.sha256.to_string().chars().take(12).collect(),
    }
}
