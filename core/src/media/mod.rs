//! Looks at photographs and other files as bytes: what they are, what their EXIF says, a small
//! preview, and warnings for people. It never changes or refuses an original: a decoder's opinion
//! is a warning.
//!
//! Pure functions over slices. Memory is bounded before any decoder runs ([`preview()`]), and every
//! decoder runs where a panic ends only that look.

mod container;
mod exif;
mod kind;
mod preview;
mod warning;

#[cfg(test)]
mod samples;

pub use exif::ExifFacts;
pub use kind::MediaKind;
pub use preview::{MAX_DECODE_BYTES, MAX_PIXELS, PREVIEW_SIDE, PreviewImage, Previewed, preview};
pub use warning::{Context, Thresholds, Warning, warnings};

use crate::domain::field::Photo;
use crate::ids::BlobHash;
use crate::time::Timestamp;

/// Largest original that is kept. Longer files are refused before they are read.
pub const MAX_ORIGINAL_BYTES: u64 = 200 * 1024 * 1024;

/// Why a file cannot be kept as a photo.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// Nothing in it.
    #[error("the file is empty: it may still be copying, or the camera lost it; take the photo again")]
    Empty,
    /// Over the limit.
    #[error(
        "the file has {bytes} bytes, photos up to 200 MiB are kept: attach videos with `outlet attach --kind video`"
    )]
    TooLarge {
        /// Its length.
        bytes: u64,
    },
    /// Not an image by its first bytes.
    #[error("the file is not a picture but {mime}: attach it with `outlet attach`")]
    NotAnImage {
        /// What it looks like.
        mime: &'static str,
    },
}

/// What a look at a file found.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// What the first bytes say.
    pub kind: MediaKind,
    /// Length.
    pub bytes: u64,
    /// Declared width in pixels, before any rotation.
    pub width: Option<u32>,
    /// Declared height in pixels.
    pub height: Option<u32>,
    /// The file ends before its format says it should.
    pub truncated: bool,
    /// What the EXIF says, as far as it could be read.
    pub exif: Option<ExifFacts>,
    /// There is EXIF, and something in it could not be read.
    pub exif_damaged: bool,
    /// Bytes that decoding the whole picture takes, where that can be foretold.
    decode_bytes: Option<u64>,
}

impl Inspection {
    /// May the original be kept as a photo? It may if it is an image by its first bytes and within
    /// [`MAX_ORIGINAL_BYTES`], whatever a decoder thinks of it.
    ///
    /// # Errors
    /// [`MediaError`], saying what to do instead.
    pub fn keepable(&self) -> Result<(), MediaError> {
        if self.bytes == 0 {
            Err(MediaError::Empty)
        } else if self.bytes > MAX_ORIGINAL_BYTES {
            Err(MediaError::TooLarge { bytes: self.bytes })
        } else if !self.kind.is_image() {
            Err(MediaError::NotAnImage { mime: self.kind.mime() })
        } else {
            Ok(())
        }
    }

    /// The entry for a field record, with everything that the EXIF says. Preview, warnings and file
    /// name are the caller's to add.
    #[must_use]
    pub fn photo(&self, sha256: BlobHash, slot: &str, at: Timestamp) -> Photo {
        let exif = self.exif.clone().unwrap_or_default();
        Photo {
            sha256,
            bytes: self.bytes,
            mime: self.kind.mime().to_owned(),
            slot: slot.to_owned(),
            at,
            preview: None,
            taken_at: exif.taken_at,
            offset_in_file: exif.offset_in_file,
            lon: exif.position.map(|(lon, _)| lon),
            lat: exif.position.map(|(_, lat)| lat),
            accuracy_m: exif.accuracy_m,
            direction_deg: exif.direction_deg,
            orientation: exif.orientation,
            camera: exif.camera,
            width: self.width,
            height: self.height,
            warnings: Vec::new(),
            file_name: None,
            caption: None,
        }
    }
}

/// Looks at a file. Hostile bytes give less, never a panic.
#[must_use]
pub fn inspect(bytes: &[u8]) -> Inspection {
    let kind = MediaKind::of(bytes);
    let found = caught(|| container::read(kind, bytes)).unwrap_or_default();
    let (exif, exif_damaged) = caught(|| exif::read(kind, bytes, &found)).unwrap_or((None, true));
    Inspection {
        kind,
        bytes: bytes.len() as u64,
        width: found.size.map(|(width, _)| width),
        height: found.size.map(|(_, height)| height),
        truncated: found.truncated,
        exif,
        exif_damaged,
        decode_bytes: found.decode_bytes,
    }
}

/// Runs a reader of foreign bytes; a panic in it is an answer like any other.
fn caught<T>(look: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(look)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_by_its_first_bytes_is_always_kept() {
        let png = samples::png_header(60_000, 60_000);
        assert_eq!(png.len(), 33);
        let mut cut = png.clone();
        cut.truncate(20);
        for bytes in [&png[..], &cut[..], b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\0\0\0\x18ftypheic\0\0\0\0heicmif1"]
        {
            let seen = inspect(bytes);
            assert_eq!(seen.keepable(), Ok(()), "{seen:?}");
            assert!(seen.truncated);
        }
        assert_eq!(inspect(&png).width, Some(60_000));
        assert_eq!(inspect(b"").keepable(), Err(MediaError::Empty));
        assert_eq!(inspect(b"%PDF-1.7 ").keepable(), Err(MediaError::NotAnImage { mime: "application/pdf" }));
        let mut large = inspect(&png);
        large.bytes = MAX_ORIGINAL_BYTES + 1;
        assert_eq!(large.keepable(), Err(MediaError::TooLarge { bytes: MAX_ORIGINAL_BYTES + 1 }));
    }

    #[test]
    fn the_entry_carries_what_the_exif_says() {
        let bytes = samples::jpeg_with_exif(&samples::exif_block(Some("+08:00")), 80, 60);
        let photo = inspect(&bytes).photo(BlobHash([7; 32]), "near", Timestamp::from_millis(5));
        assert_eq!((photo.mime.as_str(), photo.width, photo.height), ("image/jpeg", Some(80), Some(60)));
        assert_eq!(photo.taken_at.unwrap().to_string(), "2021-06-01T02:30:15.25Z");
        assert!(photo.offset_in_file);
        assert!((photo.lon.unwrap() - 106.769).abs() < 1e-6 && (photo.lat.unwrap() - 31.851).abs() < 1e-6);
        assert_eq!((photo.accuracy_m, photo.direction_deg, photo.orientation), (Some(4.5), Some(270.0), Some(6)));
        assert_eq!(photo.camera.as_deref(), Some("Maker Model X"));
    }

    #[test]
    fn the_shared_photographs_are_read() {
        let Some(photos) = samples::shared_photos() else { return };
        for (name, bytes) in photos {
            let seen = inspect(&bytes);
            assert_eq!(seen.kind, MediaKind::Jpeg, "{name}");
            assert_eq!(seen.keepable(), Ok(()), "{name}");
            let made = preview(&bytes, &seen);
            if name.starts_with("DSCN") {
                let exif = seen.exif.as_ref().unwrap();
                assert!(exif.taken_at.is_some() && exif.position.is_some() && !exif.offset_in_file, "{name} {exif:?}");
                assert!(exif.camera.as_deref().unwrap().contains("COOLPIX"), "{name}");
                let small = made.preview.unwrap();
                assert_eq!(
                    small.width.max(small.height),
                    PREVIEW_SIDE.min(seen.width.unwrap().max(seen.height.unwrap()))
                );
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(head in 0usize..6, tail in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            let heads: [&[u8]; 6] = [b"", b"\xff\xd8\xff\xe1", b"\x89PNG\r\n\x1a\n", b"\0\0\0\x18ftypheic\0\0\0\0heicmif1",
                b"RIFF\x10\0\0\0WEBP", b"II*\0"];
            let bytes = [heads[head], &tail].concat();
            let seen = inspect(&bytes);
            let made = preview(&bytes, &seen);
            proptest::prop_assert!(made.preview.is_none() || seen.kind.is_image());
        }

        #[test]
        fn a_damaged_photo_is_kept(at in 0usize..2000, byte in proptest::num::u8::ANY, cut in 0usize..2000) {
            let mut bytes = samples::jpeg_with_exif(&samples::exif_block(None), 48, 32);
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(length - cut % length);
            let seen = inspect(&bytes);
            let _ = preview(&bytes, &seen);
            proptest::prop_assert!(bytes.len() < 3 || at % length < 3 || seen.keepable().is_ok());
        }
    }
}
