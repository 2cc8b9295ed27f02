//! Hostile changes: fixtures with a test each, and mutations of honest ones.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::world::*;
use crate::admission::chunk::{CHANGE_CHUNK, close_chunk};
use crate::admission::columns::{write_deltas, write_numbers, write_texts};
use crate::admission::cursor::{put_signed, put_unsigned};
use crate::admission::{
    CheckedRun, Limits, Malformed, Refusal, apply, apply_each, check_form, check_run, continue_line, read_change,
};
use crate::doc::{Chronicle, Constants, Document, Entry, NewChange, RESERVED, shared_constants};
use crate::ids::{Actor, ChangeHash, DocKind};

const FIELD: DocKind = DocKind::Field;

/// A change chunk, part by part, so that each part can be wrong. As made it is honest.
struct Chunk {
    deps: Vec<ChangeHash>,
    actors: Vec<Actor>,
    seq: u64,
    start_op: u64,
    columns: Vec<(u32, Vec<u8>)>,
    trailing: Vec<u8>,
}

impl Chunk {
    /// The first change of the inspector in a fresh document: one entry.
    fn honest() -> Self {
        let text = note("x");
        let mut value_meta = Vec::new();
        put_unsigned(&mut value_meta, (text.len() as u64) << 4 | 6);
        Self {
            deps: vec![Constants::shipped().of(FIELD)[0].hash],
            actors: vec![actor(INSPECTOR), RESERVED],
            seq: 1,
            start_op: 5,
            columns: vec![
                (1, write_numbers(&[1])),
                (2, write_numbers(&[1])),
                (21, write_texts(&[&Entry::id_of(&text).to_string()])),
                (52, vec![1]),
                (66, write_numbers(&[1])),
                (86, [vec![0x7f], value_meta].concat()),
                (87, text.into_bytes()),
                (112, write_numbers(&[0])),
            ],
            trailing: Vec::new(),
        }
    }

    fn column(&mut self, spec: u32) -> &mut Vec<u8> {
        if !self.columns.iter().any(|column| column.0 == spec) {
            self.columns.push((spec, Vec::new()));
            self.columns.sort_by_key(|column| column.0);
        }
        &mut self.columns.iter_mut().find(|column| column.0 == spec).unwrap().1
    }

    fn with(spec: u32, bytes: impl Into<Vec<u8>>) -> Vec<u8> {
        let mut chunk = Self::honest();
        *chunk.column(spec) = bytes.into();
        chunk.bytes()
    }

    fn body(&self) -> Vec<u8> {
        let mut body = Vec::new();
        put_unsigned(&mut body, self.deps.len() as u64);
        self.deps.iter().for_each(|dep| body.extend_from_slice(&dep.0));
        body.push(36);
        body.extend_from_slice(&self.actors[0].0);
        put_unsigned(&mut body, self.seq);
        put_unsigned(&mut body, self.start_op);
        put_signed(&mut body, 1_650_000_000);
        body.push(0);
        put_unsigned(&mut body, self.actors.len() as u64 - 1);
        for actor in &self.actors[1..] {
            body.push(36);
            body.extend_from_slice(&actor.0);
        }
        put_unsigned(&mut body, self.columns.len() as u64);
        for (spec, bytes) in &self.columns {
            put_unsigned(&mut body, u64::from(*spec));
            put_unsigned(&mut body, bytes.len() as u64);
        }
        self.columns.iter().for_each(|(_, bytes)| body.extend_from_slice(bytes));
        body.extend_from_slice(&self.trailing);
        body
    }

    fn bytes(&self) -> Vec<u8> {
        close_chunk(&self.body())
    }
}

/// The checksum of whatever stands behind it.
fn rechecked(mut raw: Vec<u8>) -> Vec<u8> {
    use sha2::Digest as _;
    let hash = sha2::Sha256::digest(&raw[8..]);
    raw[4..8].copy_from_slice(&hash[..4]);
    raw
}

fn run_length_bomb() -> Vec<u8> {
    let mut chunk = Chunk::honest();
    chunk.columns = vec![(52, Vec::new()), (66, Vec::new())];
    put_unsigned(chunk.column(52), 1 << 40);
    put_signed(chunk.column(66), 1 << 40);
    chunk.column(66).push(1);
    chunk.deps.clear();
    chunk.actors.truncate(1);
    chunk.bytes()
}

/// A type 2 chunk whose contents inflate to five million zeros: one literal zero, then "the last
/// byte, 258 times" over and over, in fixed Huffman codes.
fn deflate_bomb() -> Vec<u8> {
    let mut bits: Vec<bool> = vec![true, true, false];
    let mut code = |value: u16, length: u32| bits.extend((0..length).rev().map(|bit| value >> bit & 1 == 1));
    code(0b0011_0000, 8);
    for _ in 0..20_000 {
        code(0b1100_0101, 8);
        code(0, 5);
    }
    code(0, 7);
    let packed = bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |sum, bit| sum << 1 | u8::from(*bit)));
    let mut raw = close_chunk(&packed.collect::<Vec<_>>());
    raw[8] = 2;
    rechecked(raw)
}

fn non_minimal_length() -> Vec<u8> {
    let body = Chunk::honest().body();
    let mut raw = close_chunk(&body);
    let mut length = Vec::new();
    put_unsigned(&mut length, body.len() as u64);
    let last = 8 + length.len();
    raw[last] |= 0x80;
    raw.insert(last + 1, 0);
    rechecked(raw)
}

fn overwriting() -> Chunk {
    let mut chunk = Chunk::honest();
    *chunk.column(112) = write_numbers(&[1]);
    *chunk.column(113) = write_numbers(&[1]);
    *chunk.column(115) = write_deltas(&[1]);
    chunk
}

/// Every fixture: file, bytes, why it is refused.
fn fixtures() -> Vec<(&'static str, Vec<u8>, Refusal)> {
    let malformed = |why| Refusal::Malformed { index: 0, why };
    let edit = |change: &dyn Fn(&mut Chunk)| {
        let mut chunk = Chunk::honest();
        change(&mut chunk);
        chunk.bytes()
    };
    let named = |raw: &[u8]| crate::identity::change_hash(raw).unwrap();
    let overwrite = overwriting().bytes();
    let wrong_key = Chunk::with(21, write_texts(&["00000000000000000000000000000000"]));
    let own_object = edit(&|chunk| *chunk.column(1) = write_numbers(&[0]));
    let foreign_object = edit(&|chunk| chunk.actors = vec![actor(INSPECTOR), actor(SECOND)]);
    let mut broken_checksum = Chunk::honest().bytes();
    broken_checksum[4] ^= 1;
    let key = Entry::id_of(&note("x")).to_string();
    vec![
        ("unused_actor", edit(&|chunk| chunk.actors.push(actor(SECOND))), malformed(Malformed::UnusedActor)),
        ("unsorted_actors", edit(&|chunk| chunk.actors.insert(1, actor(SECOND))), malformed(Malformed::ActorOrder)),
        ("run_for_literal", Chunk::with(66, [1, 1]), malformed(Malformed::RunForLiteral(66))),
        (
            "literals_for_run",
            {
                let mut chunk = Chunk::honest();
                chunk.column(112).clear();
                let columns: Vec<_> = chunk.columns.iter().map(|(spec, bytes)| (*spec, bytes.clone())).collect();
                for (spec, bytes) in columns {
                    *chunk.column(spec) = match spec {
                        52 => vec![2],
                        87 => [bytes.clone(), bytes].concat(),
                        112 => vec![2, 0],
                        // Two equal cells as literals.
                        _ => [vec![0x7e], bytes[1..].to_vec(), bytes[1..].to_vec()].concat(),
                    };
                }
                chunk.bytes()
            },
            malformed(Malformed::NotCanonical),
        ),
        ("unknown_column", Chunk::with(130, [0x7f, 1]), malformed(Malformed::UnknownColumn(130))),
        ("deflated_column", Chunk::with(87 | 8, [0x4b, 0x04, 0x00]), malformed(Malformed::Deflated(95))),
        ("run_length_bomb", run_length_bomb(), malformed(Malformed::Limit("operations"))),
        (
            "long_key_bomb",
            {
                let mut keys = Vec::new();
                put_signed(&mut keys, 10_000);
                put_unsigned(&mut keys, 200_000);
                keys.resize(keys.len() + 200_000, b'k');
                let mut chunk = Chunk::honest();
                *chunk.column(21) = keys;
                let run = |count: i64, value: u8| {
                    let mut bytes = Vec::new();
                    put_signed(&mut bytes, count);
                    bytes.push(value);
                    bytes
                };
                for (spec, value) in [(1, 1), (2, 1), (66, 1), (86, 6), (112, 0)] {
                    *chunk.column(spec) = run(10_000, value);
                }
                chunk.column(52).clear();
                put_unsigned(chunk.column(52), 10_000);
                chunk.columns.retain(|column| column.0 != 87);
                chunk.bytes()
            },
            malformed(Malformed::Limit("bytes of a key")),
        ),
        ("deflate_bomb", deflate_bomb(), malformed(Malformed::ChunkType(2))),
        (
            "document_chunk",
            {
                let mut raw = Chunk::honest().bytes();
                raw[8] = 0;
                rechecked(raw)
            },
            malformed(Malformed::ChunkType(0)),
        ),
        (
            "bundle_chunk",
            {
                let mut raw = Chunk::honest().bytes();
                raw[8] = 3;
                rechecked(raw)
            },
            malformed(Malformed::ChunkType(3)),
        ),
        ("non_minimal_integer", non_minimal_length(), malformed(Malformed::Integer)),
        ("non_minimal_counter", Chunk::with(2, [0x7f, 0x81, 0x00]), malformed(Malformed::Integer)),
        ("overlong_integer", Chunk::with(2, [vec![0x7f], vec![0xff; 12]].concat()), malformed(Malformed::Integer)),
        ("wrong_checksum", broken_checksum, malformed(Malformed::Checksum)),
        ("two_chunks", [Chunk::honest().bytes(), Chunk::honest().bytes()].concat(), malformed(Malformed::Trailing)),
        ("trailing_bytes", edit(&|chunk| chunk.trailing = b"author".to_vec()), malformed(Malformed::Trailing)),
        (
            "cut_short",
            {
                let raw = Chunk::honest().bytes();
                raw[..raw.len() - 1].to_vec()
            },
            malformed(Malformed::Truncated),
        ),
        ("short_actor", close_chunk(&[0, 4, 1, 2, 3, 4, 1, 5, 0, 0, 0, 0]), malformed(Malformed::ActorLength(4))),
        ("null_run", Chunk::with(1, [0, 1]), malformed(Malformed::Null(1))),
        ("insert", Chunk::with(52, [0, 1]), malformed(Malformed::Insert)),
        ("insert_after", Chunk::with(52, [1, 1]), malformed(Malformed::Insert)),
        ("nested_object", Chunk::with(66, write_numbers(&[0])), malformed(Malformed::Action(0))),
        ("delete", Chunk::with(66, write_numbers(&[3])), malformed(Malformed::Action(3))),
        ("counter_increment", Chunk::with(66, write_numbers(&[5])), malformed(Malformed::Action(5))),
        ("mark", Chunk::with(66, write_numbers(&[7])), malformed(Malformed::Action(7))),
        ("bytes_value", edit(&|chunk| chunk.column(86)[1] ^= 1), malformed(Malformed::ValueType(7))),
        ("not_utf8", edit(&|chunk| chunk.column(87)[0] = 0xff), malformed(Malformed::Text)),
        ("unknown_actor_index", Chunk::with(1, write_numbers(&[2])), malformed(Malformed::UnknownActor)),
        ("list_element_key", Chunk::with(19, write_deltas(&[1])), malformed(Malformed::UnknownColumn(19))),
        ("overwritten_entry", overwrite.clone(), Refusal::Overwrite { change: named(&overwrite), entry: key }),
        ("wrong_key", wrong_key.clone(), Refusal::EntryKey { change: named(&wrong_key), key: "0".repeat(32) }),
        (
            "own_object",
            {
                let mut chunk = Chunk::honest();
                chunk.actors.truncate(1);
                *chunk.column(1) = write_numbers(&[0]);
                chunk.bytes()
            },
            {
                let mut chunk = Chunk::honest();
                chunk.actors.truncate(1);
                *chunk.column(1) = write_numbers(&[0]);
                Refusal::Container { change: named(&chunk.bytes()) }
            },
        ),
        ("own_object_unused_table", own_object, malformed(Malformed::UnusedActor)),
        ("foreign_object", foreign_object.clone(), Refusal::Container { change: named(&foreign_object) }),
    ]
}

fn path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/hostile").join(format!("{name}.bin"))
}

/// A fixture as it is kept. A new one is written, to be looked at and committed; none is written anew.
fn kept(name: &str, made: &[u8]) -> Vec<u8> {
    let path = path(name);
    if !path.exists() {
        std::fs::write(&path, made).unwrap();
        panic!("{} was not there and has been written: look at it, and commit it", path.display());
    }
    std::fs::read(path).unwrap()
}

#[test]
fn the_honest_chunk_is_honest() {
    let raw = Chunk::honest().bytes();
    let run = check_run(&sign_raw(INSPECTOR, FIELD, vec![raw.clone()]), &roster()).unwrap();
    let applied = apply(None, FIELD, &[run]).unwrap();
    assert_eq!(applied.document.raw_change(&applied.heads[0]), Some(raw));
}

/// Refused for the expected reason, and the document beside it is admitted, saved and loaded.
fn refuse(name: &str) {
    let (_, made, expected) = fixtures().into_iter().find(|fixture| fixture.0 == name).unwrap();
    let raw = kept(name, &made);
    assert_eq!(raw, made, "the file and the generator differ");
    let signature = crate::ids::Signature([0; 64]);
    let run = crate::identity::SignedRun { doc: doc_key(FIELD), changes: vec![raw], signature };
    let refusal = check_run(&run, &roster()).unwrap_err();
    assert_eq!(refusal, expected);
    assert!(refusal.is_timeless());
    let mut author = Document::new(FIELD);
    let change = write(&mut author, SECOND, &[note("beside")]);
    let applied = apply(None, FIELD, &[checked(SECOND, FIELD, &[&change])]).unwrap();
    assert_eq!(Document::load(FIELD, &applied.saved).unwrap().entries(), author.entries());
}

macro_rules! hostile {
    ($($name:ident)*) => {
        mod fixture {
            $(#[test] fn $name() { super::refuse(stringify!($name)); })*
        }

        #[test]
        fn every_fixture_has_its_test() {
            let tested = [$(stringify!($name)),*];
            assert_eq!(tested.to_vec(), fixtures().iter().map(|fixture| fixture.0).collect::<Vec<_>>());
            let listed = std::fs::read_dir(path("x").parent().unwrap()).unwrap();
            let files = listed.filter(|entry| entry.as_ref().unwrap().path().is_file()).count();
            assert_eq!(files, tested.len() + 1, "one file each and the README; `decoders` is of `tests/fuzz`");
        }
    };
}

hostile! {
    unused_actor unsorted_actors run_for_literal literals_for_run unknown_column deflated_column run_length_bomb
    long_key_bomb deflate_bomb document_chunk bundle_chunk non_minimal_integer non_minimal_counter overlong_integer
    wrong_checksum two_chunks trailing_bytes cut_short short_actor null_run insert insert_after nested_object delete
    counter_increment mark bytes_value not_utf8 unknown_actor_index list_element_key overwritten_entry wrong_key
    own_object own_object_unused_table foreign_object
}

#[test]
fn the_trial_on_a_copy_is_a_second_line_of_defence() {
    // Without the reader before it: what automerge 0.12.0 itself makes of these.
    let base = Document::new(FIELD);
    for name in ["unused_actor", "run_for_literal", "unknown_column"] {
        let (_, raw, _) = fixtures().into_iter().find(|fixture| fixture.0 == name).unwrap();
        let tried = Document::extended(Some(&base), FIELD, &shared_constants(), &[&raw]);
        assert!(tried.is_err(), "{name}");
    }
    assert_eq!(base.change_count(), 1);
}

fn honest_changes() -> Vec<NewChange> {
    let mut document = Document::new(FIELD);
    let register = |text: &str| vec![("remark".to_owned(), text.to_owned())];
    let mut changes = vec![write(&mut document, INSPECTOR, &[note("a"), note("b"), note("c")])];
    changes.push(document.write(&actor(SECOND), NOW, &[note("d")], &register("one")).unwrap());
    changes.push(document.write(&actor(INSPECTOR), NOW, &[], &register("two")).unwrap());
    changes
}

#[test]
fn mutated_changes_never_panic_and_whatever_is_admitted_saves_and_loads() {
    let mut random = ChaCha8Rng::seed_from_u64(20_250_101);
    let honest = honest_changes();
    let (mut read, mut admitted, mut lines) = (0, 0, 0);
    for round in 0..6_000 {
        let which = random.random_range(0..honest.len());
        let mut raw = honest[which].raw.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(8..raw.len());
            match random.random_range(0..5) {
                0 => raw[at] = random.random(),
                1 => raw[at] ^= 1 << random.random_range(0..8),
                2 => raw.insert(at, random.random()),
                3 if raw.len() > 20 => drop(raw.remove(at)),
                _ => raw[at] = [0, 1, 0x7f, 0x80, 0xff][random.random_range(0..5)],
            }
        }
        // Most mutations must get past length and checksum to reach the reader's insides.
        if !u32::is_multiple_of(round, 8) {
            let mut cursor = crate::admission::cursor::Cursor::new(&raw[9..]);
            if cursor.unsigned().is_ok() {
                let body = cursor.rest().to_vec();
                raw = close_chunk(&body);
                raw[8] = CHANGE_CHUNK;
            }
        }
        let Ok(head) = read_change(&raw, &Limits::ADMISSION) else { continue };
        read += 1;
        let run = crate::identity::SignedRun {
            doc: doc_key(FIELD),
            changes: vec![raw.clone()],
            signature: crate::ids::Signature([0; 64]),
        };
        let Ok(checked) = check_form(&run) else { continue };
        let before: Vec<_> = honest[..which].iter().map(checked_by_form).collect();
        let base = if before.is_empty() { None } else { Some(apply(None, FIELD, &before).unwrap().document) };
        let context = crate::admission::Context::default();
        let outcome = apply_each(base.as_ref(), FIELD, std::slice::from_ref(&checked), &context);
        // What goes without a trial would have passed it, with the same outcome.
        let mut chronicle = Chronicle::new(FIELD);
        chronicle.extend(before.iter().flat_map(CheckedRun::heads));
        if let Some(continued) = continue_line(&chronicle, &[checked], &context) {
            lines += 1;
            let applied = outcome.applied.as_ref().unwrap();
            assert_eq!(outcome.runs, [Ok(())]);
            assert_eq!(continued.document.heads(), applied.heads);
            assert_eq!(continued.document.entries(), applied.document.entries());
            assert_eq!(continued.new_changes, applied.new_changes);
        }
        assert!(!matches!(outcome.runs[0], Err(Refusal::Library(_))), "{:?}", outcome.runs);
        if let Some(applied) = outcome.applied {
            admitted += 1;
            assert!(applied.document.has(&head.hash));
            let loaded = Document::load(FIELD, &applied.saved).unwrap();
            assert_eq!(loaded.raw_change(&head.hash), Some(raw));
        }
    }
    assert!(
        read > 100 && admitted > 20 && lines > 10,
        "the mutations are too wild to test anything: {read} read, {admitted} admitted, {lines} of them lines"
    );
}

fn checked_by_form(change: &NewChange) -> CheckedRun {
    let run = crate::identity::SignedRun {
        doc: doc_key(FIELD),
        changes: vec![change.raw.clone()],
        signature: crate::ids::Signature([0; 64]),
    };
    check_form(&run).unwrap()
}

#[test]
fn random_bytes_never_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    for _ in 0..4_000 {
        let body: Vec<u8> = (0..random.random_range(0..200)).map(|_| random.random()).collect();
        assert!(read_change(&body, &Limits::ADMISSION).is_err());
        assert!(read_change(&close_chunk(&body), &Limits::ADMISSION).is_err());
    }
    let huge = vec![0; Limits::ADMISSION.bytes + 1];
    assert!(matches!(read_change(&huge, &Limits::ADMISSION), Err(Malformed::TooLarge { .. })));
}
