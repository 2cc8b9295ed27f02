//! The zstd stream of batches without what is inside: so that contents can be anything.

use std::io::Write as _;

use zstd::stream::write::{Decoder, Encoder};

/// As in `core::sync::pack`, whose golden bytes pin it.
const DICTIONARY: &[u8] = include_bytes!("../../../core/src/sync/dictionary-v1.txt");

/// Contents as the first batch of a stream.
pub(crate) fn pack(plain: &[u8]) -> Vec<u8> {
    let mut stream = Encoder::with_dictionary(Vec::new(), 1, DICTIONARY).expect("a compressor");
    stream.write_all(plain).and_then(|()| stream.flush()).expect("memory takes any bytes");
    stream.get_ref().clone()
}

/// The contents of the first batch of a stream of our own.
pub(crate) fn unpack(packed: &[u8]) -> Vec<u8> {
    let mut stream = Decoder::with_dictionary(Vec::new(), DICTIONARY).expect("a decompressor");
    stream.write_all(packed).and_then(|()| stream.flush()).expect("own bytes are readable");
    stream.get_ref().clone()
}
