//! A small picture for lists and slow links: longest side 640, upright, no metadata, JPEG.
//!
//! Size and memory are judged from the container before a decoder sees the bytes, and again by the
//! decoder's own limits. What is too large falls back to the thumbnail in the EXIF.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, ExtendedColorType, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use super::container;
use super::kind::MediaKind;
use super::warning::Warning;
use super::{Inspection, caught};

/// Longest side of a preview.
pub const PREVIEW_SIDE: u32 = 640;
/// Declared pixels that are decoded at most.
pub const MAX_PIXELS: u64 = 64_000_000;
/// Memory that decoding may take.
pub const MAX_DECODE_BYTES: u64 = 96 * 1024 * 1024;
/// Part of it that tables, inflation windows and the preview itself take: measured below 4 MiB.
const WORKSPACE_BYTES: u64 = 6 * 1024 * 1024;
/// JPEG quality of previews: about 60 KB for a riverbank.
const QUALITY: u8 = 78;

/// A preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewImage {
    /// JPEG bytes.
    pub jpeg: Vec<u8>,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Made from the EXIF thumbnail, not from the picture.
    pub from_thumbnail: bool,
}

/// What [`preview`] answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Previewed {
    /// None when nothing could be decoded.
    pub preview: Option<PreviewImage>,
    /// Why, and where from.
    pub warnings: Vec<Warning>,
}

/// Makes a preview of a picture that [`super::inspect`] looked at. Failing is an answer, not an error.
#[must_use]
pub fn preview(bytes: &[u8], seen: &Inspection) -> Previewed {
    let mut warnings = Vec::new();
    let orientation = seen.exif.as_ref().and_then(|exif| exif.orientation);
    let whole = match format(seen.kind) {
        Some(_) if !within_limits(seen.width, seen.height, seen.decode_bytes) => {
            warnings.push(Warning::TooManyPixels);
            None
        }
        Some(format) => caught(|| decode(bytes, format)).flatten(),
        None => None,
    };
    if let Some(small) = whole.and_then(|picture| caught(|| finish(picture, orientation, false)).flatten()) {
        return Previewed { preview: Some(small), warnings };
    }
    let thumbnail = seen.exif.as_ref().and_then(|exif| exif.thumbnail.as_deref());
    let preview = thumbnail.and_then(|bytes| caught(|| from_thumbnail(bytes, orientation)).flatten());
    warnings.push(if preview.is_some() { Warning::PreviewFromThumbnail } else { Warning::NoPreview });
    Previewed { preview, warnings }
}

fn format(kind: MediaKind) -> Option<ImageFormat> {
    match kind {
        MediaKind::Jpeg => Some(ImageFormat::Jpeg),
        MediaKind::Png => Some(ImageFormat::Png),
        _ => None,
    }
}

/// Unknown counts as too large: a picture whose size cannot be foretold is not decoded.
fn within_limits(width: Option<u32>, height: Option<u32>, decode_bytes: Option<u64>) -> bool {
    let pixels = width.zip(height).map(|(width, height)| u64::from(width) * u64::from(height));
    pixels.is_some_and(|pixels| pixels <= MAX_PIXELS)
        && decode_bytes.is_some_and(|bytes| bytes <= MAX_DECODE_BYTES - WORKSPACE_BYTES)
}

fn decode(bytes: &[u8], format: ImageFormat) -> Option<DynamicImage> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(65_535);
    limits.max_image_height = Some(65_535);
    limits.max_alloc = Some(MAX_DECODE_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let decoder = reader.into_decoder().ok()?;
    // The decoder may have found another size than the container's first header says.
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS || decoder.total_bytes() > MAX_DECODE_BYTES - WORKSPACE_BYTES {
        return None;
    }
    DynamicImage::from_decoder(decoder).ok()
}

fn from_thumbnail(bytes: &[u8], orientation: Option<u16>) -> Option<PreviewImage> {
    let seen = container::read(MediaKind::Jpeg, bytes);
    let (width, height) = seen.size?;
    if !within_limits(Some(width), Some(height), seen.decode_bytes) {
        return None;
    }
    finish(decode(bytes, ImageFormat::Jpeg)?, orientation, true)
}

/// Shrinks, turns upright, puts on white, encodes. Shrinking goes first: it needs no second copy.
fn finish(picture: DynamicImage, orientation: Option<u16>, from_thumbnail: bool) -> Option<PreviewImage> {
    let longest = picture.width().max(picture.height());
    let mut small = if longest > PREVIEW_SIDE { picture.thumbnail(PREVIEW_SIDE, PREVIEW_SIDE) } else { picture };
    if let Some(turn) = orientation.and_then(|value| u8::try_from(value).ok()).and_then(Orientation::from_exif) {
        small.apply_orientation(turn);
    }
    let flat = on_white(&small);
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode(flat.as_raw(), flat.width(), flat.height(), ExtendedColorType::Rgb8)
        .ok()?;
    Some(PreviewImage { jpeg, width: flat.width(), height: flat.height(), from_thumbnail })
}

fn on_white(picture: &DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.to_rgb8();
    }
    let rgba = picture.to_rgba8();
    RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
        let [red, green, blue, alpha] = rgba.get_pixel(x, y).0;
        let blend = |channel: u8| {
            let (channel, alpha) = (u16::from(channel), u16::from(alpha));
            u8::try_from((channel * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
        };
        image::Rgb([blend(red), blend(green), blend(blue)])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{inspect, samples};

    #[test]
    fn a_preview_is_small_upright_and_bare() {
        let bytes = samples::jpeg_with_exif(&samples::exif_block(None), 1600, 800);
        let made = preview(&bytes, &inspect(&bytes));
        let small = made.preview.unwrap();
        // Orientation 6: the picture is turned by a quarter.
        assert_eq!((small.width, small.height, small.from_thumbnail), (320, 640, false));
        assert!(made.warnings.is_empty());
        let again = inspect(&small.jpeg);
        assert_eq!((again.kind, again.width, again.height), (MediaKind::Jpeg, Some(320), Some(640)));
        assert!(again.exif.is_none() && !again.exif_damaged && !again.truncated);
        // The left half of the sample is red; after the turn the upper half is.
        let picture = image::load_from_memory(&small.jpeg).unwrap().to_rgb8();
        let (top, bottom) = (picture.get_pixel(160, 100).0, picture.get_pixel(160, 540).0);
        assert!(top[0] > 150 && top[2] < 100 && bottom[2] > 150 && bottom[0] < 100, "{top:?} {bottom:?}");
    }

    #[test]
    fn a_small_picture_is_not_enlarged_and_transparency_becomes_white() {
        let bytes = samples::png(40, 30);
        let small = preview(&bytes, &inspect(&bytes)).preview.unwrap();
        assert_eq!((small.width, small.height), (40, 30));
        let corner = image::load_from_memory(&small.jpeg).unwrap().to_rgb8().get_pixel(1, 1).0;
        assert!(corner.iter().all(|channel| *channel > 245), "{corner:?}");
    }

    #[test]
    fn a_declared_size_that_would_exhaust_memory_is_not_decoded() {
        for bytes in [
            samples::png_header(60_000, 60_000),
            samples::jpeg_header(60_000, 60_000),
            samples::png_header(u32::MAX, u32::MAX),
        ] {
            let made = preview(&bytes, &inspect(&bytes));
            assert_eq!(made.preview, None);
            assert_eq!(made.warnings, [Warning::TooManyPixels, Warning::NoPreview]);
        }
        // 8,000 x 8,000 is within 64 MP, but its pixels alone need 192 MB.
        let bytes = samples::jpeg_header(8_000, 8_000);
        assert_eq!(preview(&bytes, &inspect(&bytes)).warnings, [Warning::TooManyPixels, Warning::NoPreview]);
    }

    #[test]
    fn the_thumbnail_stands_in_for_what_cannot_be_decoded() {
        let block = samples::exif_block_with_thumbnail(&samples::jpeg(160, 80));
        let huge = samples::with_app1(&samples::jpeg_header(60_000, 60_000), &block);
        for bytes in [huge, samples::heif(&block, 4032, 3024)] {
            let made = preview(&bytes, &inspect(&bytes));
            let small = made.preview.unwrap();
            assert_eq!((small.width, small.height, small.from_thumbnail), (80, 160, true));
            assert!(made.warnings.contains(&Warning::PreviewFromThumbnail));
        }
        let heif = samples::heif(&samples::exif_block(None), 4032, 3024);
        assert_eq!(preview(&heif, &inspect(&heif)).warnings, [Warning::NoPreview]);
    }

    #[test]
    fn a_cut_photo_still_gives_something_or_a_warning() {
        let whole = samples::jpeg(900, 700);
        for length in [whole.len() - 1, whole.len() / 2, 700, 30, 3] {
            let bytes = &whole[..length];
            let seen = inspect(bytes);
            let made = preview(bytes, &seen);
            assert!(seen.truncated && seen.keepable().is_ok());
            assert!(made.preview.is_some() || made.warnings.contains(&Warning::NoPreview), "{length}");
        }
    }
}
