//! Small photographs with EXIF, as seeds.

use std::io::Cursor;

use exif::experimental::Writer;
use exif::{Field, In, Rational, Tag, Value};
use image::{ImageFormat, Rgb, RgbImage};

/// A JPEG and a PNG with EXIF, one of each without, and a HEIF container.
pub(crate) fn samples() -> Vec<Vec<u8>> {
    let (jpeg, png, block) = (picture(ImageFormat::Jpeg), picture(ImageFormat::Png), block());
    let length = u16::try_from(block.len() + 8).expect("a short block").to_be_bytes();
    let with_app1 = [&jpeg[..2], b"\xff\xe1", &length, b"Exif\0\0", &block, &jpeg[2..]].concat();
    let length = u32::try_from(block.len()).expect("a short block").to_be_bytes();
    let with_chunk = [&png[..33], &length, b"eXIf", &block, &[0; 4], &png[33..]].concat();
    let heif = [boxed(b"ftyp", b"heic\0\0\0\0mif1heic"), boxed(b"meta", &[0; 40]), boxed(b"mdat", &block)].concat();
    vec![with_app1, with_chunk, jpeg, png, heif]
}

fn picture(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let shade = |at: u32| u8::try_from(at * 10 % 256).expect("below 256");
    RgbImage::from_fn(24, 16, |x, y| Rgb([shade(x), shade(y), 90]))
        .write_to(&mut bytes, format)
        .expect("memory takes any picture");
    bytes.into_inner()
}

fn boxed(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 8).expect("a short box").to_be_bytes();
    [&length, &name[..], body].concat()
}

fn block() -> Vec<u8> {
    let text =
        |tag, text: &str| Field { tag, ifd_num: In::PRIMARY, value: Value::Ascii(vec![text.as_bytes().to_vec()]) };
    let ratios = |tag, parts: &[(u32, u32)]| Field {
        tag,
        ifd_num: In::PRIMARY,
        value: Value::Rational(parts.iter().map(|(num, denom)| Rational { num: *num, denom: *denom }).collect()),
    };
    let fields = [
        text(Tag::Make, "Maker"),
        text(Tag::Model, "Phone"),
        Field { tag: Tag::Orientation, ifd_num: In::PRIMARY, value: Value::Short(vec![6]) },
        text(Tag::DateTimeOriginal, "2021:06:03 09:00:00"),
        text(Tag::OffsetTimeOriginal, "+08:00"),
        text(Tag::GPSLatitudeRef, "N"),
        ratios(Tag::GPSLatitude, &[(31, 1), (51, 1), (367, 100)]),
        text(Tag::GPSLongitudeRef, "E"),
        ratios(Tag::GPSLongitude, &[(106, 1), (46, 1), (917, 100)]),
        ratios(Tag::GPSHPositioningError, &[(5, 1)]),
        ratios(Tag::GPSImgDirection, &[(90, 1)]),
    ];
    let mut writer = Writer::new();
    fields.iter().for_each(|field| writer.push_field(field));
    let mut bytes = Cursor::new(Vec::new());
    writer.write(&mut bytes, false).expect("memory takes any block");
    bytes.into_inner()
}
