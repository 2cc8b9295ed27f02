//! Bundles: what a session would carry, as one file on a USB stick.
//!
//! The plain bytes are described here; whoever writes them to a medium seals them first (age, to
//! the server or to members). A bundle holds no claims of its own: runs, certificates and rulings
//! carry the signatures they always had, files are named by their hash. Its maker signs the whole
//! so that a reader knows who carried it, and so that a truncated or altered file is refused before
//! anything of it is used: [`check`] reads it to its end, [`import`] reads it a second time.
//!
//! Reading and writing go piece by piece: memory does not grow with the file.
//!
//! ```text
//! "outlet-bundle/1\n"  then frames, each u32 length (big endian) and CBOR [kind, [body]]
//!   0 header   who made it, when, for which collections, with its certificates
//!   1 batch    as in a session: one zstd frame; certificates and rulings before runs
//!   2 file     hash, bytes, class, document, original?; then its bytes in 3
//!   3 data     at most 64 KiB
//!   4 end      counts, BLAKE3 of everything before this frame, signature of the maker on that
//! ```

mod frames;
mod read;
mod write;

pub use frames::{End, Header, MAGIC};
pub use read::{BundleError, Contents, Imported, Part, Reader, check, import};
pub use write::Writer;

#[cfg(test)]
mod tests;
