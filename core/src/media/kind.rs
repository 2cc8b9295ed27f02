//! What a file is, by its first bytes. Names and extensions are not asked: they are often wrong.

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MediaKind {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// HEIC or another picture in a HEIF container.
    Heif,
    /// AVIF.
    Avif,
    /// WebP.
    Webp,
    /// TIFF and raw formats built on it.
    Tiff,
    /// GIF.
    Gif,
    /// BMP.
    Bmp,
    /// PDF.
    Pdf,
    /// MP4.
    Mp4,
    /// QuickTime.
    QuickTime,
    /// ZIP, and office documents inside it.
    Zip,
    /// An older office document.
    OleDocument,
    /// Anything else.
    Unknown,
}

impl MediaKind {
    /// Looks at the first bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match bytes {
            [0xff, 0xd8, 0xff, ..] => Self::Jpeg,
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Self::Png,
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::Webp,
            [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Self::Tiff,
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Self::Gif,
            [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Self::Bmp,
            [b'%', b'P', b'D', b'F', b'-', ..] => Self::Pdf,
            [b'P', b'K', 3, 4, ..] => Self::Zip,
            [0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1, ..] => Self::OleDocument,
            [_, _, _, _, b'f', b't', b'y', b'p', rest @ ..] => Self::of_brands(bytes, rest),
            _ => Self::Unknown,
        }
    }

    /// The family of an ISO media file: the major brand, else the compatible ones.
    fn of_brands(bytes: &[u8], after_type: &[u8]) -> Self {
        let declared = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
        let brands = &after_type[..declared.saturating_sub(8).min(after_type.len()).min(256)];
        let family = |brand: &[u8]| match brand {
            b"avif" | b"avis" => Some(Self::Avif),
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => Some(Self::Heif),
            b"qt  " => Some(Self::QuickTime),
            _ => None,
        };
        let generic = |brand: &[u8]| match brand {
            b"mif1" | b"msf1" => Some(Self::Heif),
            _ => None,
        };
        let mut chunks = brands.chunks_exact(4).enumerate().filter(|(at, _)| *at != 1).map(|(_, brand)| brand);
        chunks.clone().find_map(family).or_else(|| chunks.find_map(generic)).unwrap_or(Self::Mp4)
    }

    /// Is it a picture?
    #[must_use]
    pub fn is_image(self) -> bool {
        matches!(
            self,
            Self::Jpeg | Self::Png | Self::Heif | Self::Avif | Self::Webp | Self::Tiff | Self::Gif | Self::Bmp
        )
    }

    /// Media type.
    #[must_use]
    pub fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Heif => "image/heic",
            Self::Avif => "image/avif",
            Self::Webp => "image/webp",
            Self::Tiff => "image/tiff",
            Self::Gif => "image/gif",
            Self::Bmp => "image/bmp",
            Self::Pdf => "application/pdf",
            Self::Mp4 => "video/mp4",
            Self::QuickTime => "video/quicktime",
            Self::Zip => "application/zip",
            Self::OleDocument => "application/x-ole-storage",
            Self::Unknown => "application/octet-stream",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_decide() {
        for (bytes, mime) in [
            (&b"\xff\xd8\xff\xe1rest"[..], "image/jpeg"),
            (b"\x89PNG\r\n\x1a\n", "image/png"),
            (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image/heic"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "image/heic"),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", "image/avif"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0isommp42", "video/mp4"),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "video/quicktime"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"II*\0\x08\0\0\0", "image/tiff"),
            (b"%PDF-1.4", "application/pdf"),
            (b"PK\x03\x04", "application/zip"),
            (b"", "application/octet-stream"),
            (b"\xff\xd8", "application/octet-stream"),
            (b"\xff\xff\xff\xffftyp", "video/mp4"),
            (b"hello, world", "application/octet-stream"),
        ] {
            assert_eq!(MediaKind::of(bytes).mime(), mime, "{bytes:?}");
        }
    }
}
