//! Pictures made in memory for the tests of this module.

use std::io::Cursor;
use std::path::Path;

use exif::experimental::Writer;
use exif::{Field, In, Rational, Tag, Value};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};

/// A JPEG, left half red, right half blue.
pub(crate) fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let picture =
        RgbImage::from_fn(width, height, |x, _| if x < width / 2 { Rgb([220, 30, 30]) } else { Rgb([30, 30, 220]) });
    encode(DynamicImage::ImageRgb8(picture), ImageFormat::Jpeg)
}

/// A PNG, fully transparent black.
pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
    encode(DynamicImage::ImageRgba8(RgbaImage::from_pixel(width, height, Rgba([0, 0, 0, 0]))), ImageFormat::Png)
}

fn encode(picture: DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Only the signature and header of a PNG.
pub(crate) fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([8, 6, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

/// A JPEG that only declares a size.
pub(crate) fn jpeg_header(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = b"\xff\xd8\xff\xc0\0\x11\x08".to_vec();
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend(b"\x03\x01\x22\0\x02\x11\x01\x03\x11\x01\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0\x3f\0\xff\xd9");
    bytes
}

pub(crate) fn jpeg_with_exif(block: &[u8], width: u32, height: u32) -> Vec<u8> {
    with_app1(&jpeg(width, height), block)
}

/// Puts an EXIF block behind the start of a JPEG.
pub(crate) fn with_app1(jpeg: &[u8], block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len() + 8).unwrap();
    [&jpeg[..2], b"\xff\xe1", &length.to_be_bytes(), b"Exif\0\0", block, &jpeg[2..]].concat()
}

/// Puts an EXIF chunk behind the header of a PNG. Its checksum is wrong, which nobody minds here.
pub(crate) fn png_with_exif(block: &[u8], width: u32, height: u32) -> Vec<u8> {
    let png = png(width, height);
    let length = u32::try_from(block.len()).unwrap().to_be_bytes();
    [&png[..33], &length, b"eXIf", block, &[0; 4], &png[33..]].concat()
}

fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap().to_be_bytes();
    [&size[..], name, body].concat()
}

/// A HEIF container without a picture: index, size property and EXIF item.
pub(crate) fn heif(block: &[u8], width: u32, height: u32) -> Vec<u8> {
    let build = |offset: u32| {
        let infe = boxed(b"infe", b"\x02\0\0\0\0\x01\0\0Exif\0");
        let iinf = boxed(b"iinf", &[&b"\0\0\0\0\0\x01"[..], &infe].concat());
        let length = u32::try_from(block.len() + 4).unwrap();
        let iloc =
            [&b"\0\0\0\0\x44\0\0\x01\0\x01\0\0\0\x01"[..], &offset.to_be_bytes(), &length.to_be_bytes()].concat();
        let ispe = boxed(b"ispe", &[&[0; 4][..], &width.to_be_bytes(), &height.to_be_bytes()].concat());
        let tile = boxed(b"ispe", &[&[0; 4][..], &512u32.to_be_bytes(), &512u32.to_be_bytes()].concat());
        let iprp = boxed(b"iprp", &boxed(b"ipco", &[tile, ispe].concat()));
        let meta = boxed(b"meta", &[&[0; 4][..], &iinf, &boxed(b"iloc", &iloc), &iprp].concat());
        [boxed(b"ftyp", b"heic\0\0\0\0mif1heic"), meta].concat()
    };
    let head = build(0).len();
    let mut file = build(u32::try_from(head + 8).unwrap());
    file.extend(boxed(b"mdat", &[&[0; 4][..], block].concat()));
    file
}

fn text(tag: Tag, text: &str) -> Field {
    Field { tag, ifd_num: In::PRIMARY, value: Value::Ascii(vec![text.as_bytes().to_vec()]) }
}

fn ratios(tag: Tag, parts: &[(u32, u32)]) -> Field {
    let parts = parts.iter().map(|(num, denom)| Rational { num: *num, denom: *denom }).collect();
    Field { tag, ifd_num: In::PRIMARY, value: Value::Rational(parts) }
}

fn fields(offset: Option<&str>) -> Vec<Field> {
    let mut fields = vec![
        text(Tag::Make, "Maker"),
        text(Tag::Model, "Model X"),
        Field { tag: Tag::Orientation, ifd_num: In::PRIMARY, value: Value::Short(vec![6]) },
        text(Tag::DateTimeOriginal, "2021:06:01 10:30:15"),
        text(Tag::SubSecTimeOriginal, "25"),
        text(Tag::GPSLatitudeRef, "N"),
        ratios(Tag::GPSLatitude, &[(31, 1), (51, 1), (36, 10)]),
        text(Tag::GPSLongitudeRef, "E"),
        ratios(Tag::GPSLongitude, &[(106, 1), (46, 1), (84, 10)]),
        ratios(Tag::GPSHPositioningError, &[(45, 10)]),
        ratios(Tag::GPSImgDirection, &[(270, 1)]),
    ];
    fields.extend(offset.map(|offset| text(Tag::OffsetTimeOriginal, offset)));
    fields
}

fn write(fields: &[Field], thumbnail: Option<&[u8]>) -> Vec<u8> {
    let mut writer = Writer::new();
    fields.iter().for_each(|field| writer.push_field(field));
    if let Some(jpeg) = thumbnail {
        writer.set_jpeg(jpeg, In::THUMBNAIL);
    }
    let mut block = Cursor::new(Vec::new());
    writer.write(&mut block, false).unwrap();
    block.into_inner()
}

/// 2021-06-01 10:30:15.25 at the seat of Bazhou, held sideways.
pub(crate) fn exif_block(offset: Option<&str>) -> Vec<u8> {
    write(&fields(offset), None)
}

pub(crate) fn exif_block_with_thumbnail(jpeg: &[u8]) -> Vec<u8> {
    write(&fields(None), Some(jpeg))
}

/// What a camera without fix and clock writes.
pub(crate) fn exif_of_zeros() -> Vec<u8> {
    write(
        &[
            text(Tag::Make, " "),
            Field { tag: Tag::Orientation, ifd_num: In::PRIMARY, value: Value::Short(vec![0]) },
            text(Tag::DateTimeOriginal, "0000:00:00 00:00:00"),
            text(Tag::GPSLatitudeRef, "N"),
            ratios(Tag::GPSLatitude, &[(0, 1), (0, 1), (0, 1)]),
            text(Tag::GPSLongitudeRef, "E"),
            ratios(Tag::GPSLongitude, &[(0, 1), (0, 1), (0, 1)]),
            ratios(Tag::GPSHPositioningError, &[(0, 0)]),
            ratios(Tag::GPSImgDirection, &[(9999, 1)]),
        ],
        None,
    )
}

/// The photographs beside the repository, where there are any.
pub(crate) fn shared_photos() -> Option<Vec<(String, Vec<u8>)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/photos");
    let mut photos: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .ok()?
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).ok()?)))
        .collect();
    photos.sort();
    (!photos.is_empty()).then_some(photos)
}
