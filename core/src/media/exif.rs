//! What the EXIF of a photo says, as far as a ledger needs it: when, where, which way, which camera.
//!
//! Blocks longer than real ones are not read: the reader keeps a record per entry.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;

use exif::{DateTime, Exif, Field, In, Reader, Tag, Value};

use super::container::Container;
use super::kind::MediaKind;
use crate::time::{Day, SHANGHAI_MINUTES, Timestamp};

/// Longest EXIF block that is read. JPEG allows 64 KiB, HEIF readers 128 KiB.
const LONGEST_BLOCK: usize = 256 * 1024;
/// Bytes that looking for the EXIF of a HEIF file may read: its index and the block, not the picture.
const HEIF_BUDGET: usize = 16 * 1024 * 1024;
/// Longest make or model kept.
const LONGEST_NAME: usize = 64;

/// What was found. Absent is absent: zeros in the file are not positions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExifFacts {
    /// Time of exposure.
    pub taken_at: Option<Timestamp>,
    /// Its offset is in the file; else +08:00 was assumed.
    pub offset_in_file: bool,
    /// Degrees east and north, WGS-84.
    pub position: Option<(f64, f64)>,
    /// Horizontal positioning error in metres.
    pub accuracy_m: Option<f64>,
    /// Direction of the image, degrees from north.
    pub direction_deg: Option<f64>,
    /// Orientation, 1–8.
    pub orientation: Option<u16>,
    /// Make and model.
    pub camera: Option<String>,
    /// The embedded JPEG thumbnail.
    pub(super) thumbnail: Option<Vec<u8>>,
}

/// Reads the EXIF of a picture: what was found, and whether something in it could not be read.
pub(super) fn read(kind: MediaKind, bytes: &[u8], container: &Container) -> (Option<ExifFacts>, bool) {
    match kind {
        MediaKind::Heif | MediaKind::Avif => {
            let mut reader = Budget { inner: Cursor::new(bytes), left: HEIF_BUDGET };
            facts_of(Reader::new().continue_on_error(true).read_from_container(&mut reader))
        }
        _ => match container.exif.clone().and_then(|range: Range<usize>| bytes.get(range)) {
            None => (None, false),
            Some(block) if block.len() > LONGEST_BLOCK => (None, true),
            Some(block) => facts_of(Reader::new().continue_on_error(true).read_raw(block.to_vec())),
        },
    }
}

fn facts_of(read: Result<Exif, exif::Error>) -> (Option<ExifFacts>, bool) {
    match read {
        Ok(exif) => (Some(facts(&exif)), false),
        Err(exif::Error::NotFound(_)) => (None, false),
        Err(exif::Error::PartialResult(partial)) => (Some(facts(&partial.into_inner().0)), true),
        Err(_) => (None, true),
    }
}

fn facts(exif: &Exif) -> ExifFacts {
    let (taken_at, offset_in_file) = taken_at(exif);
    ExifFacts {
        taken_at,
        offset_in_file,
        position: position(exif),
        accuracy_m: rational(exif, Tag::GPSHPositioningError).filter(|metres| *metres > 0.0),
        direction_deg: rational(exif, Tag::GPSImgDirection).filter(|degrees| (0.0..=360.0).contains(degrees)),
        orientation: uint(exif, Tag::Orientation, In::PRIMARY)
            .and_then(|value| u16::try_from(value).ok())
            .filter(|value| (1..=8).contains(value)),
        camera: camera(exif),
        thumbnail: thumbnail(exif),
    }
}

fn field(exif: &Exif, tag: Tag) -> Option<&Field> {
    exif.get_field(tag, In::PRIMARY)
}

fn uint(exif: &Exif, tag: Tag, ifd: In) -> Option<u32> {
    exif.get_field(tag, ifd)?.value.get_uint(0)
}

fn ascii(exif: &Exif, tag: Tag) -> Option<&[u8]> {
    match &field(exif, tag)?.value {
        Value::Ascii(texts) => texts.first().map(Vec::as_slice),
        _ => None,
    }
}

fn rational(exif: &Exif, tag: Tag) -> Option<f64> {
    match &field(exif, tag)?.value {
        Value::Rational(values) => values.first().map(exif::Rational::to_f64).filter(|value| value.is_finite()),
        _ => None,
    }
}

/// The time of exposure, never that of the last edit.
fn taken_at(exif: &Exif) -> (Option<Timestamp>, bool) {
    let pairs = [
        (Tag::DateTimeOriginal, Tag::SubSecTimeOriginal, Tag::OffsetTimeOriginal),
        (Tag::DateTimeDigitized, Tag::SubSecTimeDigitized, Tag::OffsetTimeDigitized),
    ];
    for (time, fraction, offset) in pairs {
        let Some(mut civil) = ascii(exif, time).and_then(|text| DateTime::from_ascii(text).ok()) else { continue };
        if let Some(text) = ascii(exif, fraction) {
            let _ = civil.parse_subsec(text);
        }
        if let Some(text) = ascii(exif, offset).or_else(|| ascii(exif, Tag::OffsetTime)) {
            let _ = civil.parse_offset(text);
        }
        if let Some(instant) = instant(&civil) {
            return (Some(instant), civil.offset.is_some());
        }
    }
    (None, false)
}

fn instant(civil: &DateTime) -> Option<Timestamp> {
    let day =
        Day::new(i16::try_from(civil.year).ok()?, i8::try_from(civil.month).ok()?, i8::try_from(civil.day).ok()?)?;
    // A year such as 0001 or 1900 is a camera whose clock was never set; 60 is a leap second.
    let plausible = civil.year >= 1990 && civil.hour < 24 && civil.minute < 60 && civil.second <= 60;
    let offset = civil.offset.map_or(SHANGHAI_MINUTES, i32::from);
    if !plausible || offset.abs() > 15 * 60 {
        return None;
    }
    let seconds = i64::from(civil.hour) * 3600 + i64::from(civil.minute) * 60 + i64::from(civil.second);
    let millis = i64::from(civil.nanosecond.unwrap_or(0) / 1_000_000);
    let utc = day.epoch_days() * 86_400 + seconds - i64::from(offset) * 60;
    Some(Timestamp::from_millis(utc * 1000 + millis))
}

fn position(exif: &Exif) -> Option<(f64, f64)> {
    let axis = |tag, reference, negative: u8| {
        let Value::Rational(parts) = &field(exif, tag)?.value else { return None };
        let mut degrees = 0.0;
        for (part, unit) in parts.iter().zip([1.0, 60.0, 3600.0]) {
            degrees += part.to_f64() / unit;
        }
        let sign = match ascii(exif, reference)?.first()?.to_ascii_uppercase() {
            letter if letter == negative => -1.0,
            _ => 1.0,
        };
        (!parts.is_empty() && degrees.is_finite()).then_some(sign * degrees)
    };
    let lon = axis(Tag::GPSLongitude, Tag::GPSLongitudeRef, b'W')?;
    let lat = axis(Tag::GPSLatitude, Tag::GPSLatitudeRef, b'S')?;
    // 0,0 is what cameras without a fix write.
    let nowhere = lon == 0.0 && lat == 0.0;
    (!nowhere && lon.abs() <= 180.0 && lat.abs() <= 90.0).then_some((lon, lat))
}

fn camera(exif: &Exif) -> Option<String> {
    let name = |tag| {
        let text = String::from_utf8_lossy(ascii(exif, tag)?);
        let clean: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
        Some(clean.trim().to_owned()).filter(|text| !text.is_empty())
    };
    match (name(Tag::Make), name(Tag::Model)) {
        (Some(make), Some(model)) if model.starts_with(&make) => Some(model),
        (Some(make), Some(model)) => Some(format!("{make} {model}")),
        (make, model) => make.or(model),
    }
}

fn thumbnail(exif: &Exif) -> Option<Vec<u8>> {
    let start = uint(exif, Tag::JPEGInterchangeFormat, In::THUMBNAIL)? as usize;
    let length = uint(exif, Tag::JPEGInterchangeFormatLength, In::THUMBNAIL)? as usize;
    let bytes = exif.buf().get(start..start.checked_add(length)?)?;
    (MediaKind::of(bytes) == MediaKind::Jpeg).then(|| bytes.to_vec())
}

/// A reader that stops after so many bytes were consumed: an index that points everywhere cannot
/// make the EXIF reader copy the whole picture again and again.
struct Budget<'a> {
    inner: Cursor<&'a [u8]>,
    left: usize,
}

impl Read for Budget<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !into.is_empty() {
            return Err(io::Error::other("the EXIF index reads too much"));
        }
        let most = into.len().min(self.left);
        let count = self.inner.read(&mut into[..most])?;
        self.left -= count;
        Ok(count)
    }
}

impl BufRead for Budget<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::other("the EXIF index reads too much"));
        }
        let available = self.inner.fill_buf()?;
        Ok(&available[..available.len().min(self.left)])
    }

    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count);
        self.inner.consume(count);
    }
}

impl Seek for Budget<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{inspect, samples};

    #[test]
    fn a_missing_offset_is_read_as_shanghai_and_said_so() {
        for (offset, expected, in_file) in [
            (None, "2021-06-01T02:30:15.25Z", false),
            (Some("+08:00"), "2021-06-01T02:30:15.25Z", true),
            (Some("+00:00"), "2021-06-01T10:30:15.25Z", true),
            (Some("-03:30"), "2021-06-01T14:00:15.25Z", true),
            (Some("   :  "), "2021-06-01T02:30:15.25Z", false),
            (Some("garbage"), "2021-06-01T02:30:15.25Z", false),
        ] {
            let bytes = samples::jpeg_with_exif(&samples::exif_block(offset), 16, 16);
            let facts = inspect(&bytes).exif.unwrap();
            assert_eq!(
                (facts.taken_at.unwrap().to_string().as_str(), facts.offset_in_file),
                (expected, in_file),
                "{offset:?}"
            );
        }
    }

    #[test]
    fn every_container_gives_its_exif() {
        let block = samples::exif_block(None);
        let mut webp = b"RIFF\0\0\0\0WEBPEXIF".to_vec();
        webp.extend(u32::try_from(block.len()).unwrap().to_le_bytes());
        webp.extend(&block);
        for bytes in [
            samples::jpeg_with_exif(&block, 16, 16),
            samples::png_with_exif(&block, 16, 16),
            samples::heif(&block, 4032, 3024),
            block.clone(),
            webp,
        ] {
            let seen = inspect(&bytes);
            let facts = seen.exif.unwrap_or_else(|| panic!("{:?}", seen.kind));
            assert_eq!(facts.orientation, Some(6), "{:?}", seen.kind);
            assert!(facts.position.is_some() && !seen.exif_damaged, "{:?}", seen.kind);
        }
    }

    #[test]
    fn garbage_is_damage_and_nothing_is_not() {
        let seen = inspect(&samples::jpeg_with_exif(b"not a TIFF header at all", 16, 16));
        assert!(seen.exif.is_none() && seen.exif_damaged);
        let seen = inspect(&samples::jpeg(16, 16));
        assert!(seen.exif.is_none() && !seen.exif_damaged);
        let mut block = samples::exif_block(None);
        block.truncate(block.len() / 2);
        let seen = inspect(&samples::jpeg_with_exif(&block, 16, 16));
        assert!(seen.exif_damaged);
        let long = vec![0u8; LONGEST_BLOCK + 1];
        assert!(inspect(&samples::png_with_exif(&long, 4, 4)).exif_damaged);
    }

    #[test]
    fn zeros_and_impossible_values_are_absent() {
        let bytes = samples::jpeg_with_exif(&samples::exif_of_zeros(), 16, 16);
        let facts = inspect(&bytes).exif.unwrap();
        assert_eq!(facts, ExifFacts::default());
    }
}
