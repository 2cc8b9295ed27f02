//! What the journal promises when writes fail, the power is cut, or bytes rot.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::StoreError;
use super::frame::MAX_PAYLOAD;
use super::journal::{Journal, OpenJournal};
use super::segment::{FramePosition, Mark, Walked};
use super::testing::{Cut, FaultVfs, Faults};

struct Bench {
    home: tempfile::TempDir,
    vfs: FaultVfs,
}

impl Bench {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), vfs: FaultVfs::new() }
    }

    fn with(records: &[&[u8]]) -> Self {
        let bench = Self::new();
        let mut journal = bench.open().0;
        for record in records {
            journal.append(record).unwrap();
        }
        bench
    }

    fn open(&self) -> (Journal, Walked, Vec<Vec<u8>>) {
        self.try_open(Mark::START).unwrap()
    }

    fn try_open(&self, from: Mark) -> Result<(Journal, Walked, Vec<Vec<u8>>), StoreError> {
        let mut seen = Vec::new();
        let options = OpenJournal { from, look_only: false };
        let (torn, directory) = (self.home.path().join("torn"), self.home.path().join("journal"));
        let vfs = Arc::new(self.vfs.clone());
        let (journal, walked) = Journal::open(vfs, &directory, &torn, options, &mut |_, frame| {
            seen.push(frame.payload.to_vec());
            Ok(())
        })?;
        Ok((journal, walked, seen))
    }

    fn segment(&self, number: u32) -> PathBuf {
        self.home.path().join("journal").join(format!("{number:08}.seg"))
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.segment(1)).unwrap()
    }

    fn put(&self, bytes: &[u8]) {
        std::fs::write(self.segment(1), bytes).unwrap();
    }

    /// Whatever happened, the store goes on after it.
    #[track_caller]
    fn goes_on_from(&self, expected: &[&[u8]], case: &str) -> Walked {
        let (mut journal, walked, seen) = self.open();
        assert_eq!(seen, expected, "{case}");
        journal.append(b"next").unwrap_or_else(|error| panic!("{case}: {error}"));
        drop(journal);
        let (_, again, seen) = self.open();
        assert_eq!(seen.last().map(Vec::as_slice), Some(&b"next"[..]), "{case}");
        assert_eq!((seen.len(), again.torn, again.damage.len()), (expected.len() + 1, None, 0), "{case}");
        walked
    }
}

#[test]
fn commits_are_read_back_in_order_and_by_position() {
    let bench = Bench::new();
    let (mut journal, walked, _) = bench.open();
    assert_eq!(walked.end, Mark::START);
    let long = vec![b'x'; 10_000];
    let positions: Vec<FramePosition> =
        [&b"one"[..], b"", &long].iter().map(|payload| journal.append(payload).unwrap()).collect();
    assert_eq!(journal.read(positions[2]).unwrap(), long);
    assert_eq!(journal.read(positions[1]).unwrap(), b"");
    let end = journal.end();
    drop(journal);
    let (mut journal, walked, seen) = bench.open();
    assert_eq!((walked.end, walked.commits), (end, 3));
    assert_eq!(seen, [&b"one"[..], b"", &long]);
    assert_eq!(journal.read(positions[0]).unwrap(), b"one");
}

#[test]
fn each_commit_is_synced_once() {
    let bench = Bench::new();
    let mut journal = bench.open().0;
    journal.append(b"one").unwrap();
    let before = bench.vfs.syncs();
    journal.append(b"two").unwrap();
    assert_eq!(bench.vfs.syncs(), before + 1);
}

#[test]
fn a_full_segment_is_sealed_and_the_chain_goes_on_in_the_next() {
    let bench = Bench::new();
    let big = vec![7; 3 << 20];
    let mut journal = bench.open().0;
    for _ in 0..5 {
        journal.append(&big).unwrap();
    }
    assert_eq!(journal.end().segment, 3);
    let half_way = journal.end();
    journal.append(b"last").unwrap();
    drop(journal);
    let (_, walked, seen) = bench.open();
    assert_eq!((seen.len(), walked.damage.len(), walked.torn), (6, 0, None));
    let (_, walked, seen) = bench.try_open(half_way).unwrap();
    assert_eq!((walked.commits, seen), (1, vec![b"last".to_vec()]));
}

#[test]
fn the_largest_payload_fits_into_a_segment_and_a_larger_one_is_refused() {
    let bench = Bench::new();
    let mut journal = bench.open().0;
    journal.append(b"small").unwrap();
    journal.append(&vec![1; MAX_PAYLOAD]).unwrap();
    journal.append(b"small").unwrap();
    assert!(matches!(journal.append(&vec![1; MAX_PAYLOAD + 1]), Err(StoreError::TooLarge { .. })));
    drop(journal);
    bench.goes_on_from(&[b"small", &vec![1; MAX_PAYLOAD], b"small"], "largest");
    let length = std::fs::metadata(bench.segment(2)).unwrap().len();
    assert!(length <= super::frame::MAX_SEGMENT as u64, "{length}");
}

#[test]
fn cut_at_every_byte_of_the_last_two_frames_it_keeps_what_lies_before() {
    let bench = Bench::with(&[b"one", b"two", b"three"]);
    let bytes = bench.bytes();
    let first = super::frame::OVERHEAD + 3;
    for length in first..bytes.len() {
        bench.put(&bytes[..length]);
        let expected: &[&[u8]] = if length < 2 * first { &[b"one"] } else { &[b"one", b"two"] };
        let torn = bench.goes_on_from(expected, &format!("cut at {length}")).torn;
        assert_eq!(torn.is_some(), length != first && length != 2 * first, "cut at {length}");
        if let Some(torn) = torn {
            let copy = std::fs::read(torn.copy.unwrap()).unwrap();
            assert_eq!(copy, bytes[usize::try_from(torn.offset).unwrap()..length], "what is cut is kept aside");
        }
    }
}

#[test]
fn zeros_or_rubbish_behind_the_last_frame_are_a_torn_tail() {
    for tail in [vec![0; 5000], vec![0xF7; 300], b"\xF7OJF\x01\x01".to_vec()] {
        let bench = Bench::with(&[b"one", b"two"]);
        bench.put(&[bench.bytes(), tail.clone()].concat());
        let torn = bench.goes_on_from(&[b"one", b"two"], "tail").torn.unwrap();
        assert_eq!(torn.bytes, tail.len() as u64);
    }
}

#[test]
fn a_segment_extended_beyond_its_limit_is_cut_back() {
    let bench = Bench::with(&[b"one"]);
    let file = std::fs::OpenOptions::new().write(true).open(bench.segment(1)).unwrap();
    file.set_len(40 << 20).unwrap();
    bench.goes_on_from(&[b"one"], "40 MiB of zeros");
}

#[test]
fn a_flipped_bit_in_the_last_frame_is_a_torn_tail() {
    let bench = Bench::with(&[b"one", b"two"]);
    let bytes = bench.bytes();
    for at in bytes.len() / 2..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        bench.put(&bad);
        assert!(bench.goes_on_from(&[b"one"], &format!("byte {at}")).torn.is_some());
    }
}

#[test]
fn damage_in_the_middle_leaves_the_rest_readable_and_nothing_writable() {
    let bench = Bench::with(&[b"one", b"two", b"three"]);
    let bytes = bench.bytes();
    let frame = super::frame::OVERHEAD + 3;
    for at in frame..2 * frame {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        bench.put(&bad);
        let (mut journal, walked, seen) = bench.open();
        assert_eq!(seen, [&b"one"[..], b"three"], "byte {at}");
        let [damage] = &walked.damage[..] else { panic!("byte {at}: {walked:?}") };
        assert_eq!((damage.first_missing, damage.resumes, damage.offset), (2, 3, frame as u64));
        assert!(matches!(journal.append(b"no"), Err(StoreError::ReadOnly)));
        drop(journal);
        assert_eq!(bench.bytes(), bad, "nothing is repaired");
    }
}

#[test]
fn a_missing_segment_is_damage_and_not_the_end() {
    let bench = Bench::new();
    let mut journal = bench.open().0;
    for _ in 0..5 {
        journal.append(&vec![7; 3 << 20]).unwrap();
    }
    drop(journal);
    std::fs::remove_file(bench.segment(2)).unwrap();
    let (journal, walked, seen) = bench.open();
    assert_eq!(seen.len(), 3);
    assert_eq!((walked.damage.len(), walked.torn), (1, None));
    assert!(journal.is_read_only());
}

#[test]
fn a_frame_of_another_history_breaks_the_chain() {
    let bench = Bench::with(&[b"one", b"two"]);
    let other = Bench::with(&[b"ONE", b"TWO"]);
    let frame = super::frame::OVERHEAD + 3;
    bench.put(&[&bench.bytes()[..frame], &other.bytes()[frame..]].concat());
    let (journal, walked, _) = bench.open();
    assert!(journal.is_read_only());
    assert_eq!(walked.damage[0].fault, None);
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let bench = Bench::with(&[b"one", b"two"]);
    let mut bytes = bench.bytes();
    let at = super::frame::OVERHEAD + 3;
    bytes[at + 4] = 9;
    let sum = crc32c::crc32c(&bytes[at..at + 52]).to_le_bytes();
    bytes[at + 52..at + 56].copy_from_slice(&sum);
    bench.put(&bytes);
    let error = bench.try_open(Mark::START).unwrap_err();
    assert!(matches!(error, StoreError::NewerVersion { version: 9, .. }), "{error}");
    assert_eq!(bench.bytes(), bytes);
}

#[test]
fn short_writes_are_continued() {
    let bench = Bench::new();
    bench.vfs.set(Faults { short_writes: Some(5), ..Faults::default() });
    bench.open().0.append(b"a record in many pieces").unwrap();
    bench.goes_on_from(&[b"a record in many pieces"], "short writes");
}

#[test]
fn a_disk_that_fills_up_anywhere_in_a_frame_costs_only_that_frame() {
    for room in 0..(super::frame::OVERHEAD + 3) as u64 {
        let bench = Bench::with(&[b"one"]);
        let mut journal = bench.open().0;
        bench.vfs.set(Faults { full_after: Some(room), ..Faults::default() });
        let error = journal.append(b"two").unwrap_err();
        assert!(error.is_disk_full(), "{error}");
        bench.vfs.set(Faults::default());
        journal.append(b"two, later").unwrap();
        drop(journal);
        assert_eq!(bench.goes_on_from(&[b"one", b"two, later"], &format!("{room} bytes")).torn, None);
    }
}

#[test]
fn a_disk_that_is_full_when_a_segment_begins_costs_only_that_frame() {
    let bench = Bench::new();
    let mut journal = bench.open().0;
    let big = vec![7; 5 << 20];
    journal.append(&big).unwrap();
    // Room for the footer of the first segment, none in the second.
    bench.vfs.set(Faults { full_after: Some(super::frame::OVERHEAD as u64 + 12), ..Faults::default() });
    assert!(journal.append(&big).unwrap_err().is_disk_full());
    bench.vfs.set(Faults::default());
    journal.append(b"later").unwrap();
    drop(journal);
    bench.goes_on_from(&[&big, b"later"], "full at rotation");
}

#[test]
fn a_failed_sync_poisons_until_the_journal_was_walked_again() {
    let bench = Bench::with(&[b"one"]);
    let mut journal = bench.open().0;
    bench.vfs.set(Faults { sync_fails_after: Some(0), ..Faults::default() });
    assert!(matches!(journal.append(b"two"), Err(StoreError::SyncFailed { .. })));
    bench.vfs.set(Faults::default());
    assert!(matches!(journal.append(b"two"), Err(StoreError::Poisoned)));
    assert!(journal.is_poisoned());
    drop(journal);
    bench.goes_on_from(&[b"one"], "after a failed sync");
}

/// Ways in which pages of the last record reach the medium, or do not.
fn cuts() -> impl Iterator<Item = Cut> {
    let pages = (0..16).map(Cut::Pages);
    let lengths = [1, 55, 56, 88, 4095, 4096, 4097, 9000].map(Cut::Bytes);
    [Cut::Lost, Cut::Zeros, Cut::Kept].into_iter().chain(pages).chain(lengths)
}

#[test]
fn after_a_power_cut_what_was_confirmed_is_there() {
    for cut in cuts() {
        let bench = Bench::with(&[b"one"]);
        let mut journal = bench.open().0;
        journal.append(b"two").unwrap();
        // The write of the third reaches the cache, its sync never returns.
        bench.vfs.set(Faults { sync_fails_after: Some(0), ..Faults::default() });
        let third = vec![0x5A; 10_000];
        write_without_confirmation(&bench, &journal, &third);
        drop(journal);
        bench.vfs.power_cut(cut).unwrap();
        let (mut journal, _, seen) = bench.open();
        let whole = seen.len() == 3 && seen[2] == third;
        assert!(whole || seen == [b"one".to_vec(), b"two".to_vec()], "{cut:?}: {} records", seen.len());
        journal.append(b"next").unwrap();
        drop(journal);
        assert_eq!(bench.open().2.last().map(Vec::as_slice), Some(&b"next"[..]), "{cut:?}");
    }
}

/// The bytes of a frame as a crash between write and sync leaves them.
fn write_without_confirmation(bench: &Bench, journal: &Journal, payload: &[u8]) {
    use super::vfs::Vfs as _;
    let end = journal.end();
    let kind = super::frame::FrameKind::Commit;
    let (bytes, _) = super::frame::encode(kind, end.sequence + 1, end.hash, payload);
    let file = bench.vfs.open_for_writing(&bench.segment(end.segment)).unwrap();
    super::vfs::write_all_at(file.as_ref(), end.offset, &bytes).unwrap();
}

#[test]
fn a_power_cut_right_after_the_first_commit_of_a_segment_loses_nothing() {
    let bench = Bench::new();
    let mut journal = bench.open().0;
    let big = vec![7; 5 << 20];
    journal.append(&big).unwrap();
    journal.append(&big).unwrap();
    drop(journal);
    bench.vfs.power_cut(Cut::Lost).unwrap();
    bench.goes_on_from(&[&big, &big], "new segment");
}

#[test]
fn a_segment_that_was_created_and_never_written_is_used() {
    let bench = Bench::new();
    let mut journal = bench.open().0;
    let big = vec![7; 5 << 20];
    journal.append(&big).unwrap();
    journal.append(&big).unwrap();
    drop(journal);
    std::fs::write(bench.segment(2), b"").unwrap();
    bench.goes_on_from(&[&big], "empty second segment");
    // Torn inside the first frame of the new segment.
    std::fs::write(bench.segment(2), &bench_frame()[..40]).unwrap();
    bench.goes_on_from(&[&big], "torn second segment");
}

fn bench_frame() -> Vec<u8> {
    let other = Bench::with(&[b"anything"]);
    other.bytes()
}

#[test]
fn looking_only_changes_nothing() {
    let bench = Bench::with(&[b"one", b"two"]);
    let bytes = bench.bytes();
    bench.put(&bytes[..bytes.len() - 1]);
    let options = OpenJournal { from: Mark::START, look_only: true };
    let directory: &Path = &bench.home.path().join("journal");
    let vfs = Arc::new(bench.vfs.clone());
    let (journal, walked) =
        Journal::open(vfs, directory, &bench.home.path().join("torn"), options, &mut |_, _| Ok(())).unwrap();
    assert!(journal.is_read_only());
    assert_eq!((walked.commits, walked.torn.unwrap().copy), (1, None));
    assert_eq!(bench.bytes().len(), bytes.len() - 1);
}
