//! Mutations that decoders stumble over: lengths that lie, integers at their limits, parts cut,
//! doubled, swapped and mixed.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Bytes that mean something to formats in use here: CBOR heads of huge and endless things, LEB128
/// that never ends, zstd and JPEG marks, JSON and CSV syntax.
const WORDS: [&[u8]; 24] = [
    &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x5b, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff],
    &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x9a, 0x00, 0x10, 0x00, 0x00],
    &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x3b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x9f],
    &[0x5f],
    &[0xff],
    &[0xf6],
    &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    &[0xff, 0xff, 0xff, 0xff],
    &[0x00, 0x00, 0x00, 0x00],
    &[0x28, 0xb5, 0x2f, 0xfd],
    &[0xff, 0xd8, 0xff, 0xe1],
    b"\"",
    b"[[[[[[[[",
    b"{\"a\":",
    b"1e999",
    b"-9223372036854775808",
    b"\xed\xa0\x80",
    b"\n,\"",
    "１０６°".as_bytes(),
];

/// Changes the input in one way.
pub(crate) fn mutate(input: &mut Vec<u8>, other: &[u8], dice: &mut ChaCha8Rng) {
    if input.is_empty() {
        input.extend_from_slice(other);
    }
    let at = dice.random_range(0..=input.len());
    let span = dice.random_range(0..=input.len().saturating_sub(at).min(64));
    match dice.random_range(0..11) {
        0 => flip(input, at, 1 << dice.random_range(0..8)),
        1 => set(input, at, dice.random()),
        2 => set(input, at, [0, 1, 0x7f, 0x80, 0xff][dice.random_range(0..5)]),
        3 => nudge(input, at, dice),
        4 => drop(input.drain(at..at + span)),
        5 => splice(input, at, WORDS[dice.random_range(0..WORDS.len())]),
        6 => overwrite(input, at, WORDS[dice.random_range(0..WORDS.len())]),
        7 => {
            let part = input[at..at + span].to_vec();
            let times = dice.random_range(1..=64);
            splice(input, at, &part.repeat(times));
        }
        8 => input.truncate(at),
        9 => {
            let from = dice.random_range(0..=other.len());
            let upto = dice.random_range(from..=other.len());
            splice(input, at, &other[from..upto]);
        }
        _ => integer(input, at, dice),
    }
}

fn flip(input: &mut [u8], at: usize, bits: u8) {
    if let Some(byte) = input.get_mut(at) {
        *byte ^= bits;
    }
}

fn set(input: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = input.get_mut(at) {
        *byte = value;
    }
}

fn nudge(input: &mut [u8], at: usize, dice: &mut ChaCha8Rng) {
    if let Some(byte) = input.get_mut(at) {
        *byte = byte.wrapping_add_signed(dice.random_range(-4..=4));
    }
}

fn splice(input: &mut Vec<u8>, at: usize, part: &[u8]) {
    drop(input.splice(at..at, part.iter().copied()));
}

fn overwrite(input: &mut [u8], at: usize, part: &[u8]) {
    input.iter_mut().skip(at).zip(part).for_each(|(byte, new)| *byte = *new);
}

/// A length or count of two, four or eight bytes, in either order, at a limit.
fn integer(input: &mut [u8], at: usize, dice: &mut ChaCha8Rng) {
    let limits = [0, 1, 0x7f, 0xff, 0xffff, 1 << 20, (1 << 20) + 1, 1 << 31, u64::from(u32::MAX), 1 << 40, u64::MAX];
    let value = limits[dice.random_range(0..limits.len())];
    let width = [2, 4, 8][dice.random_range(0..3)];
    if dice.random() {
        overwrite(input, at, &value.to_be_bytes()[8 - width..]);
    } else {
        overwrite(input, at, &value.to_le_bytes()[..width]);
    }
}
