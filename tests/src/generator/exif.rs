//! Writes the EXIF block of a generated photograph byte by byte, so that reading it back tests the
//! reader against something that is not its own writer.

/// What a generated camera writes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CameraFacts {
    /// `2021:06:01 10:30:15`.
    pub(super) time: String,
    /// `+08:00`, or none as older cameras.
    pub(super) offset: Option<String>,
    /// Degrees east and north; none when the location was off.
    pub(super) position: Option<(f64, f64)>,
    /// Horizontal error in metres.
    pub(super) accuracy_m: f64,
    /// Degrees from north.
    pub(super) direction_deg: f64,
    /// 1–8.
    pub(super) orientation: u16,
    pub(super) make: &'static str,
    pub(super) model: &'static str,
}

const BYTE: u16 = 1;
const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;

/// One entry of a directory: tag, type, count, value bytes (big-endian).
struct Entry(u16, u16, u32, Vec<u8>);

fn ascii(tag: u16, text: &str) -> Entry {
    let bytes = [text.as_bytes(), b"\0"].concat();
    Entry(tag, ASCII, bytes.len() as u32, bytes)
}

fn rationals(tag: u16, parts: &[(u32, u32)]) -> Entry {
    let bytes = parts.iter().flat_map(|(above, below)| [above.to_be_bytes(), below.to_be_bytes()]).flatten().collect();
    Entry(tag, RATIONAL, parts.len() as u32, bytes)
}

fn pointer(tag: u16, offset: u32) -> Entry {
    Entry(tag, LONG, 1, offset.to_be_bytes().to_vec())
}

/// A directory at an offset: entries of twelve bytes, then the values that do not fit in four.
fn directory(offset: u32, mut entries: Vec<Entry>) -> Vec<u8> {
    entries.sort_by_key(|entry| entry.0);
    let head_len = 2 + 12 * entries.len() as u32 + 4;
    let mut head = (entries.len() as u16).to_be_bytes().to_vec();
    let mut values = Vec::new();
    for Entry(tag, kind, count, value) in entries {
        head.extend(tag.to_be_bytes());
        head.extend(kind.to_be_bytes());
        head.extend(count.to_be_bytes());
        if value.len() <= 4 {
            head.extend(&value);
            head.extend(vec![0; 4 - value.len()]);
        } else {
            head.extend((offset + head_len + values.len() as u32).to_be_bytes());
            values.extend(value);
            // Values start at even offsets.
            values.extend(vec![0; values.len() % 2]);
        }
    }
    head.extend([0; 4]);
    [head, values].concat()
}

fn sexagesimal(degrees: f64) -> [(u32, u32); 3] {
    let hundredths = (degrees.abs() * 360_000.0).round() as u32;
    [(hundredths / 360_000, 1), (hundredths / 6_000 % 60, 1), (hundredths % 6_000, 100)]
}

fn gps(facts: &CameraFacts) -> Vec<Entry> {
    let Some((lon, lat)) = facts.position else { return Vec::new() };
    vec![
        Entry(0x00, BYTE, 4, vec![2, 3, 0, 0]),
        ascii(0x01, if lat < 0.0 { "S" } else { "N" }),
        rationals(0x02, &sexagesimal(lat)),
        ascii(0x03, if lon < 0.0 { "W" } else { "E" }),
        rationals(0x04, &sexagesimal(lon)),
        ascii(0x10, "T"),
        rationals(0x11, &[((facts.direction_deg * 100.0) as u32, 100)]),
        rationals(0x1f, &[((facts.accuracy_m * 10.0) as u32, 10)]),
    ]
}

/// The block: TIFF header, main directory, EXIF directory, GPS directory.
pub(super) fn block(facts: &CameraFacts) -> Vec<u8> {
    let main = |exif_at, gps_at: Option<u32>| {
        let mut entries = vec![
            ascii(0x010f, facts.make),
            ascii(0x0110, facts.model),
            Entry(0x0112, SHORT, 1, facts.orientation.to_be_bytes().to_vec()),
            pointer(0x8769, exif_at),
        ];
        entries.extend(gps_at.map(|at| pointer(0x8825, at)));
        directory(8, entries)
    };
    let mut shot = vec![ascii(0x9003, &facts.time)];
    shot.extend(facts.offset.as_deref().map(|offset| ascii(0x9011, offset)));
    let gps = gps(facts);
    let exif_at = 8 + main(0, (!gps.is_empty()).then_some(0)).len() as u32;
    let shot = directory(exif_at, shot);
    let gps_at = exif_at + shot.len() as u32;
    let mut block = b"MM\0\x2a\0\0\0\x08".to_vec();
    block.extend(main(exif_at, (!gps.is_empty()).then_some(gps_at)));
    block.extend(shot);
    if !gps.is_empty() {
        block.extend(directory(gps_at, gps));
    }
    block
}

/// Puts a block behind the start marker of a JPEG.
pub(super) fn with_block(jpeg: &[u8], block: &[u8]) -> Vec<u8> {
    let length = (block.len() + 8) as u16;
    [&jpeg[..2], b"\xff\xe1", &length.to_be_bytes(), b"Exif\0\0", block, &jpeg[2..]].concat()
}
