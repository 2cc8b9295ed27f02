//! Bytes from outside against every decoder that reads them.
//!
//! A [`Target`] is one decoder with honest seeds. [`run`] feeds it seeds, kept crashers
//! (`fixtures/hostile/decoders/TARGET/`), and mutations of both for a time, and checks three things
//! on each input: no panic; no memory beyond what the target grants per input byte; an end within a
//! bounded time. What fails is written down before anything else happens, and replayed for ever.
//!
//! This runs on a stable toolchain and is part of `make test`, for a minute in all; `make soak` runs
//! ten minutes per decoder. The same targets run coverage-guided under libFuzzer from
//! `tests/fuzz/guided`, by hand.

mod bundles;
mod decoders;
mod engine;
mod imports;
mod live;
mod media;
mod member;
mod mutate;
mod photo;
mod queries;
mod seeds;
mod stream;

pub use engine::{Failure, Tally, check, crashers, keep, run};

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Memory that an input may take: so many bytes in any case, and so many per input byte.
#[derive(Debug, Clone, Copy)]
pub struct Grant {
    /// In any case.
    pub fixed: usize,
    /// For each byte of the input.
    pub per_byte: usize,
}

/// A decoder of bytes from outside.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, also of its folder of crashers.
    pub name: &'static str,
    /// Honest inputs, from which mutations start.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Decodes, and checks what must hold of whatever was decoded.
    pub decode: fn(&[u8]),
    /// The memory it may take.
    pub grant: Grant,
}

/// Every target.
#[must_use]
pub fn targets() -> Vec<Target> {
    let bytes = [decoders::targets(), media::targets(), bundles::targets(), imports::targets(), queries::targets()];
    [bytes.concat(), member::targets(), live::targets()].concat()
}

/// The target of this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    targets().into_iter().find(|target| target.name == name)
}
