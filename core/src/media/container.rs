//! Reads just enough of a picture's container, without any decoder: declared size, where the EXIF
//! lies, whether the file is cut off, and how much memory decoding would take.
//!
//! Every offset comes from outside: slices are taken with `get`, nothing is allocated.

use std::ops::Range;

use super::kind::MediaKind;

/// What the container says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Container {
    /// Declared width and height.
    pub(super) size: Option<(u32, u32)>,
    /// Where the EXIF block (a TIFF header and what follows) lies.
    pub(super) exif: Option<Range<usize>>,
    /// The end is missing.
    pub(super) truncated: bool,
    /// Memory for decoding it as a whole, for the kinds that are decoded.
    pub(super) decode_bytes: Option<u64>,
}

/// Reads a container of a kind.
pub(super) fn read(kind: MediaKind, bytes: &[u8]) -> Container {
    match kind {
        MediaKind::Jpeg => jpeg(bytes),
        MediaKind::Png => png(bytes),
        MediaKind::Webp => webp(bytes),
        MediaKind::Heif | MediaKind::Avif => heif(bytes),
        // The whole file is the TIFF structure.
        MediaKind::Tiff => Container { exif: Some(0..bytes.len()), ..Container::default() },
        _ => Container::default(),
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// What the frame headers of a JPEG add up to.
#[derive(Default)]
struct Frame {
    width: u64,
    height: u64,
    components: u64,
    progressive: bool,
    seen: bool,
}

fn jpeg(bytes: &[u8]) -> Container {
    let mut found = Container { truncated: true, ..Container::default() };
    let mut frame = Frame::default();
    let mut at = 2;
    let mut first_scan = true;
    while let Some((marker, start)) = next_marker(bytes, at) {
        match marker {
            0xd9 => {
                found.truncated = false;
                break;
            }
            0x01 | 0xd0..=0xd8 => {
                at = start;
                continue;
            }
            _ => {}
        }
        let Some(length) = be16(bytes, start).map(usize::from).filter(|length| *length >= 2) else { break };
        let end = start + length;
        let Some(body) = bytes.get(start + 2..end) else { break };
        match marker {
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => frame.add(marker, body),
            0xe1 if found.exif.is_none() && body.starts_with(b"Exif\0\0") => found.exif = Some(start + 8..end),
            0xda if first_scan => {
                first_scan = false;
                // A first scan without all components makes the decoder hold every coefficient.
                let scanned = body.first().copied().map_or(0, u64::from);
                frame.progressive |= scanned < frame.components;
            }
            _ => {}
        }
        at = end;
    }
    if frame.seen {
        found.size = Some((frame.width as u32, frame.height as u32)).filter(|_| frame.width > 0 && frame.height > 0);
        found.decode_bytes = Some(frame.decode_bytes(bytes.len() as u64));
    }
    found
}

impl Frame {
    /// Several frame headers are malformed; the largest counts, so that none can hide another.
    fn add(&mut self, marker: u8, body: &[u8]) {
        let (Some(height), Some(width), Some(components)) = (be16(body, 1), be16(body, 3), body.get(5)) else { return };
        self.seen = true;
        self.height = self.height.max(u64::from(height));
        self.width = self.width.max(u64::from(width));
        self.components = self.components.max(u64::from(*components));
        self.progressive |= !matches!(marker, 0xc0 | 0xc1);
    }

    /// Pixels out, the decoder's copy of the file, its buffers for a row of blocks, and two bytes per
    /// coefficient where it keeps them (components are taken as not subsampled, edges as padded to
    /// the largest unit of 32).
    fn decode_bytes(&self, file: u64) -> u64 {
        let channels = if self.components == 1 { 1 } else { 3 };
        let pixels = self.width * self.height * channels;
        let padded = self.width.next_multiple_of(32) * self.height.next_multiple_of(32);
        let coefficients = if self.progressive { padded * self.components.min(4) * 2 } else { 0 };
        // Sixteen lines of two bytes, before and after they are scaled up.
        let rows = self.width.next_multiple_of(32) * 16 * self.components.min(4) * 4;
        pixels + coefficients + rows + file
    }
}

/// The next marker at or after `at`: (marker, position after it). Skips entropy-coded data, in which
/// 0xff is followed by 0 (a stuffed byte), a restart marker or another 0xff.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        let rest = bytes.get(at..)?;
        at += rest.iter().position(|byte| *byte == 0xff)? + 1;
        while bytes.get(at) == Some(&0xff) {
            at += 1;
        }
        match bytes.get(at)? {
            0 => at += 1,
            marker => return Some((*marker, at + 1)),
        }
    }
}

fn png(bytes: &[u8]) -> Container {
    let mut found = Container { truncated: true, ..Container::default() };
    let mut at = 8usize;
    while let (Some(length), Some(name)) = (be32(bytes, at), bytes.get(at + 4..at + 8)) {
        let start = at + 8;
        let Some(end) = start.checked_add(length as usize) else { break };
        match name {
            b"IHDR" => {
                let (Some(width), Some(height)) = (be32(bytes, start), be32(bytes, start + 4)) else { break };
                found.size = Some((width, height)).filter(|_| width > 0 && height > 0);
                // At most four channels of 16 bits, and two rows of work space.
                let (width, height) = (u64::from(width), u64::from(height));
                let sample = if bytes.get(start + 8) == Some(&16) { 2 } else { 1 };
                let channels = match bytes.get(start + 9) {
                    Some(0) => 1,
                    Some(2) => 3,
                    Some(4) => 2,
                    _ => 4,
                };
                found.decode_bytes =
                    width.checked_mul(height + 2).and_then(|pixels| pixels.checked_mul(channels * sample));
            }
            b"eXIf" if found.exif.is_none() && end <= bytes.len() => found.exif = Some(start..end),
            b"IEND" => {
                found.truncated = end.checked_add(4).is_none_or(|end| end > bytes.len());
                break;
            }
            _ => {}
        }
        let Some(next) = end.checked_add(4) else { break };
        at = next;
    }
    found
}

fn webp(bytes: &[u8]) -> Container {
    let le32 = |at: usize| be32(bytes, at).map(|value| value.swap_bytes() as usize);
    let declared = le32(4).and_then(|length| length.checked_add(8));
    let mut found = Container { truncated: declared.is_none_or(|end| end > bytes.len()), ..Container::default() };
    let mut at = 12usize;
    while let (Some(name), Some(length)) = (bytes.get(at..at + 4), le32(at + 4)) {
        let start = at + 8;
        let Some(end) = start.checked_add(length) else { break };
        if name == b"EXIF" && end <= bytes.len() {
            // Some writers keep the JPEG prefix.
            let skip = if bytes[start..end].starts_with(b"Exif\0\0") { 6 } else { 0 };
            found.exif = Some(start + skip..end);
        }
        let Some(next) = end.checked_add(length % 2) else { break };
        at = next;
    }
    found
}

/// A box of an ISO media file: (type, body range, position after it).
fn next_box(bytes: &[u8], at: usize, limit: usize) -> Option<([u8; 4], Range<usize>, usize)> {
    let name: [u8; 4] = bytes.get(at.checked_add(4)?..at.checked_add(8)?)?.try_into().ok()?;
    let (header, size) = match be32(bytes, at)? {
        0 => (8, limit.checked_sub(at)?),
        1 => {
            let high = be32(bytes, at + 8)? as usize;
            (16, high.checked_shl(32)?.checked_add(be32(bytes, at + 12)? as usize)?)
        }
        size => (8, size as usize),
    };
    let end = at.checked_add(size).filter(|_| size >= header)?;
    Some((name, at + header..end, end))
}

fn heif(bytes: &[u8]) -> Container {
    let mut found = Container::default();
    let mut at = 0;
    let mut meta = None;
    while at < bytes.len() {
        let Some((name, body, end)) = next_box(bytes, at, bytes.len()) else {
            found.truncated = true;
            break;
        };
        if end > bytes.len() {
            found.truncated = true;
        }
        if &name == b"meta" && end <= bytes.len() {
            meta = Some(body);
        }
        at = end;
    }
    // Without its index the picture is not all there.
    let Some(meta) = meta else {
        found.truncated = true;
        return found;
    };
    // A full box: version and flags come first.
    let in_meta = meta.start.saturating_add(4)..meta.end;
    let properties = child(bytes, in_meta, b"iprp").and_then(|body| child(bytes, body, b"ipco"));
    if let Some(properties) = properties {
        found.size = largest_extent(bytes, properties);
    }
    found
}

fn child(bytes: &[u8], within: Range<usize>, wanted: &[u8; 4]) -> Option<Range<usize>> {
    let mut at = within.start;
    while at < within.end {
        let (name, body, end) = next_box(bytes, at, within.end)?;
        if &name == wanted && end <= within.end {
            return Some(body);
        }
        at = end;
    }
    None
}

/// The largest `ispe` property: tiles and thumbnails have smaller ones.
fn largest_extent(bytes: &[u8], properties: Range<usize>) -> Option<(u32, u32)> {
    let mut largest: Option<(u32, u32)> = None;
    let mut at = properties.start;
    while at < properties.end {
        let Some((name, body, end)) = next_box(bytes, at, properties.end) else { break };
        if &name == b"ispe"
            && let (Some(width), Some(height)) = (be32(bytes, body.start + 4), be32(bytes, body.start + 8))
        {
            let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
            largest = largest.into_iter().chain([(width, height)]).max_by_key(|size| area(*size));
        }
        at = end;
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::samples;

    #[test]
    fn size_and_end_of_each_container() {
        let jpeg = samples::jpeg(120, 80);
        let found = read(MediaKind::Jpeg, &jpeg);
        assert_eq!((found.size, found.truncated), (Some((120, 80)), false));
        assert_eq!(found.decode_bytes, Some(120 * 80 * 3 + 128 * 16 * 3 * 4 + jpeg.len() as u64));
        assert!(read(MediaKind::Jpeg, &jpeg[..jpeg.len() - 2]).truncated);
        // Bytes after the end, as cameras that append a video write them, are not a cut.
        assert!(!read(MediaKind::Jpeg, &[&jpeg[..], b"appended"].concat()).truncated);

        let png = samples::png(33, 21);
        let found = read(MediaKind::Png, &png);
        assert_eq!((found.size, found.truncated), (Some((33, 21)), false));
        assert!(read(MediaKind::Png, &png[..png.len() - 1]).truncated);

        let heif = samples::heif(&samples::exif_block(None), 4032, 3024);
        let found = read(MediaKind::Heif, &heif);
        assert_eq!((found.size, found.truncated), (Some((4032, 3024)), false));
        assert!(read(MediaKind::Heif, &heif[..heif.len() - 1]).truncated);
    }

    #[test]
    fn progressive_pictures_cost_their_coefficients() {
        let mut jpeg = samples::jpeg(64, 64);
        let at = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        let baseline = read(MediaKind::Jpeg, &jpeg).decode_bytes.unwrap();
        jpeg[at + 1] = 0xc2;
        assert_eq!(read(MediaKind::Jpeg, &jpeg).decode_bytes.unwrap(), baseline + 64 * 64 * 3 * 2);
    }
}
