//! Photographs: containers, EXIF, and the preview.

use outlet_core::media::{inspect, preview};

use crate::photo::samples;
use crate::{Grant, Target};

pub(crate) fn targets() -> Vec<Target> {
    vec![
        // EXIF values are copied a few times; nothing is sized by what a file declares.
        Target { name: "media_inspect", seeds: samples, decode: look, grant: Grant { fixed: 256 << 10, per_byte: 64 } },
        // The decoder's own limit is 96 MiB for the picture; the preview and the encoder come on top.
        Target {
            name: "media_preview",
            seeds: samples,
            decode: picture,
            grant: Grant { fixed: 128 << 20, per_byte: 64 },
        },
    ]
}

fn look(bytes: &[u8]) {
    let seen = inspect(bytes);
    assert_eq!(seen.bytes, bytes.len() as u64);
    if let Some((lon, lat)) = seen.exif.as_ref().and_then(|exif| exif.position) {
        assert!(lon.abs() <= 180.0 && lat.abs() <= 90.0, "a position on this planet: {lon} {lat}");
    }
}

fn picture(bytes: &[u8]) {
    let _ = preview(bytes, &inspect(bytes));
}
