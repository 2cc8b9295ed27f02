//! The simulation: several devices and one server, sessions interleaved in any order, cut at any
//! point, replicas restored from backups. Everything follows from one seed, so that a failure is
//! repeated by its number.
//!
//! What happens: edits, photos, sessions cut at any step, replicas restored from any of several
//! backups (each a new life of the server), lost disks and cursors, clocks that jump, devices that
//! are revoked while they speak, held work released or rejected.
//!
//! What must hold: nothing a server confirmed is ever missing there (but for what a restored
//! backup lost, until the devices bring it back); at the end, when every device that still may has
//! synced undisturbed, all replicas show equal digests and equal entries, and every file is safe.

use std::collections::BTreeSet;

use super::memory::MemoryReplica;
use super::replica::{BlobClass, RefusalCode, Replica as _};
use super::session::{CloseReason, Options, SyncOutcome};
use super::simnet::{Connection, End, sync};
use crate::identity::{Role, SecretKey, TicketRecord, TicketSecret};
use crate::ids::{ChangeHash, Collection, DocKey, DocKind, Epoch, OutletId, PersonId};
use crate::time::Timestamp;

const START: Timestamp = Timestamp::from_millis(1_640_000_000_000);
/// Backups of the server that are kept.
const BACKUPS: usize = 3;
const COUNTIES: [u32; 2] = [511_902, 511_903];

/// How large a run is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size {
    /// Devices.
    pub devices: u8,
    /// Things that happen before the end: an edit, a photo, a step of a session, a cut, a restore.
    pub steps: u32,
    /// Documents they all write to.
    pub documents: u8,
}

impl Size {
    /// What every test run can afford.
    pub const SMALL: Self = Self { devices: 3, steps: 100, documents: 3 };
    /// For long runs.
    pub const LARGE: Self = Self { devices: 6, steps: 2_000, documents: 12 };
}

/// What a run went through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Acts of users.
    pub edits: u32,
    /// Sessions begun.
    pub sessions: u32,
    /// Sessions cut.
    pub cuts: u32,
    /// Replicas restored from a backup.
    pub restores: u32,
    /// Sessions that ended by themselves.
    pub finished: u32,
    /// Changes confirmed by the server.
    pub confirmed: u32,
    /// Devices revoked.
    pub revoked: u32,
    /// Held runs that a person decided on.
    pub decided: u32,
    /// Devices that lost everything and enrolled anew.
    pub lost: u32,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.edits += other.edits;
        self.sessions += other.sessions;
        self.cuts += other.cuts;
        self.restores += other.restores;
        self.finished += other.finished;
        self.confirmed += other.confirmed;
        self.revoked += other.revoked;
        self.decided += other.decided;
        self.lost += other.lost;
    }
}

/// One run.
///
/// # Errors
/// What did not hold, with the seed.
pub fn simulate(seed: u64, size: Size) -> Result<Tally, String> {
    let mut world = World::new(seed, size).map_err(|why| format!("seed {seed}: {why}"))?;
    world.run(size).and_then(|()| world.settle()).map_err(|why| format!("seed {seed}: {why}"))?;
    Ok(world.tally)
}

/// Many runs, with the seeds from `first` on. Stops at the first that fails.
///
/// # Errors
/// As [`simulate`].
pub fn soak(first: u64, runs: u64, size: Size) -> Result<Tally, String> {
    let mut sum = Tally::default();
    for seed in first..first.saturating_add(runs) {
        sum += simulate(seed, size)?;
    }
    Ok(sum)
}

/// A generator good enough to choose what happens next (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % bound).unwrap_or(0)
    }

    fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }
}

/// A new device with a ticket of its own; `number` names its key.
fn enrolled(server: &mut MemoryReplica, number: u8, now: Timestamp) -> Result<MemoryReplica, String> {
    let root = SecretKey::from_bytes([200; 32]);
    server.add_ticket(TicketRecord {
        secret_hash: TicketSecret::from_bytes([number; 16]).hash(),
        role: Role::Inspector,
        level: None,
        collections: COUNTIES.into_iter().filter_map(Collection::from_code).collect(),
        name: format!("inspector {number}"),
        person: PersonId([number; 16]),
        expires_at: now.max(server.latest()).plus_millis(1_000_000),
        used_by: None,
    });
    let mut device = MemoryReplica::device(SecretKey::from_bytes([number + 1; 32]), [number; 4], root.public());
    let options = Options { ticket_secret: Some(vec![number; 16]), ..Options::default() };
    let report = sync(&mut device, server, options, now)?;
    match report.initiator.outcome {
        SyncOutcome::Converged => Ok(device),
        _ => Err(format!("enrolment: {:?}", report.initiator)),
    }
}

struct World {
    dice: Dice,
    now: Timestamp,
    server: MemoryReplica,
    devices: Vec<MemoryReplica>,
    open: Vec<Option<Connection>>,
    server_backups: Vec<MemoryReplica>,
    device_backups: Vec<Option<MemoryReplica>>,
    docs: Vec<DocKey>,
    next_device: u8,
    restarts: u8,
    tally: Tally,
    /// Changes of documents that the server has confirmed to anybody, in its present life.
    promised: BTreeSet<(DocKey, ChangeHash)>,
    /// What each device knew to be confirmed when it was last looked at.
    confirmed: Vec<BTreeSet<(DocKey, ChangeHash)>>,
}

impl World {
    fn new(seed: u64, size: Size) -> Result<Self, String> {
        let mut dice = Dice(seed);
        let root = SecretKey::from_bytes([200; 32]);
        let collections: Vec<_> = COUNTIES.into_iter().filter_map(Collection::from_code).collect();
        let mut server = MemoryReplica::server(SecretKey::from_bytes([201; 32]), &root, Epoch([1; 8]), START);
        let mut devices = Vec::new();
        for at in 0..size.devices {
            devices.push(enrolled(&mut server, at, START)?);
        }
        let docs = (0..size.documents).map(|at| DocKey {
            kind: DocKind::Field,
            collection: collections[usize::from(at) % collections.len()],
            id: OutletId(uuid::Uuid::from_u64_pair(dice.next(), u64::from(at))),
        });
        let docs = docs.collect();
        Ok(Self {
            now: START.plus_millis(2_000_000),
            server,
            open: devices.iter().map(|_| None).collect(),
            device_backups: devices.iter().map(|_| None).collect(),
            server_backups: Vec::new(),
            docs,
            next_device: 50,
            restarts: 1,
            tally: Tally::default(),
            promised: BTreeSet::new(),
            confirmed: devices.iter().map(|_| BTreeSet::new()).collect(),
            devices,
            dice,
        })
    }

    fn run(&mut self, size: Size) -> Result<(), String> {
        for _ in 0..size.steps {
            self.now = self.now.plus_millis(i64::try_from(self.dice.below(5_000)).unwrap_or(0));
            let device = self.dice.below(self.devices.len());
            match self.dice.below(20) {
                0..=2 => self.edit(device)?,
                3 => self.photo(device),
                4 if self.dice.one_in(3) => self.backup(device),
                5 if self.dice.one_in(6) => self.restore_device(device),
                6 if self.dice.one_in(10) => self.restore_server(),
                7 if self.dice.one_in(3) => self.cut(device),
                8 if self.dice.one_in(8) => self.devices[device].forget_cursors(),
                9 if self.dice.one_in(20) => self.revoke(device),
                10 if self.dice.one_in(3) => self.decide(),
                11 if self.dice.one_in(30) => self.lose(device)?,
                12 if self.dice.one_in(10) => self.jump(),
                _ => self.go_on(device)?,
            }
            self.check_promises()?;
        }
        Ok(())
    }

    fn edit(&mut self, device: usize) -> Result<(), String> {
        let doc = self.docs[self.dice.below(self.docs.len())];
        let number = self.tally.edits;
        let text = format!(r#"{{"type":"note","kind":"note","text":"{device}/{number}","at":{}}}"#, self.now.millis());
        self.devices[device].edit(doc, self.now, &[text]).map_err(|error| format!("an edit: {error}"))?;
        self.tally.edits += 1;
        Ok(())
    }

    fn photo(&mut self, device: usize) {
        let doc = self.docs[self.dice.below(self.docs.len())];
        let length = 1 + self.dice.below(150_000);
        let byte = self.dice.next().to_le_bytes()[0];
        let class = if self.dice.one_in(2) { BlobClass::Preview } else { BlobClass::Original };
        let bytes = vec![byte; length];
        self.devices[device].add_blob(doc, class, None, bytes);
    }

    fn backup(&mut self, device: usize) {
        if self.dice.one_in(2) {
            if self.server_backups.len() == BACKUPS {
                self.server_backups.remove(0);
            }
            self.server_backups.push(self.server.clone());
        } else {
            self.device_backups[device] = Some(self.devices[device].clone());
        }
    }

    fn restore_device(&mut self, device: usize) {
        let Some(backup) = self.device_backups[device].take() else { return };
        self.cut(device);
        self.restarts = self.restarts.wrapping_add(1);
        self.devices[device] = backup.restored(Epoch([0; 8]), [self.restarts, 1, 2, 3]);
        self.confirmed[device].clone_from(self.devices[device].confirmed());
        self.tally.restores += 1;
    }

    fn restore_server(&mut self) {
        // Any of them, and the same one again: each time another life of the database.
        let Some(backup) = self.server_backups.get(self.dice.below(BACKUPS)).cloned() else { return };
        (0..self.devices.len()).for_each(|device| self.cut(device));
        self.restarts = self.restarts.wrapping_add(1);
        let moment = self.server.latest();
        self.server = backup.restored(Epoch([self.restarts; 8]), [0; 4]).not_before(moment);
        self.promised.retain(|(doc, change)| self.server.has(doc, change));
        self.tally.restores += 1;
    }

    /// While it may be speaking. One device always stays a member.
    fn revoke(&mut self, device: usize) {
        if device > 0 && !self.server.is_revoked(&self.devices[device].public()) {
            self.server.revoke(self.devices[device].public(), self.now);
            self.tally.revoked += 1;
        }
    }

    /// A person looks at something that is held.
    fn decide(&mut self) {
        let held = self.server.held_runs();
        if held.is_empty() {
            return;
        }
        let (doc, last) = held[self.dice.below(held.len())];
        let decided = match self.dice.one_in(2) {
            true => self.server.release(doc, &last, self.now),
            false => self.server.reject(doc, &last, self.now),
        };
        self.tally.decided += u32::from(decided);
    }

    /// The disk is gone, and with it what no server had confirmed; another device takes its place.
    fn lose(&mut self, device: usize) -> Result<(), String> {
        if device == 0 || self.next_device == u8::MAX - 60 {
            return Ok(());
        }
        self.cut(device);
        self.devices[device] = enrolled(&mut self.server, self.next_device, self.now)?;
        self.next_device += 1;
        self.device_backups[device] = None;
        self.confirmed[device].clone_from(self.devices[device].confirmed());
        self.tally.lost += 1;
        Ok(())
    }

    /// Every clock at once: nothing but the shown times may depend on it. A server goes back with nobody.
    fn jump(&mut self) {
        let days = i64::try_from(self.dice.below(40)).unwrap_or(0);
        self.now = START.plus_millis(2_000_000 + days * 86_400_000);
    }

    fn is_revoked(&self, device: usize) -> bool {
        self.server.is_revoked(&self.devices[device].public())
    }

    fn cut(&mut self, device: usize) {
        if let Some(mut connection) = self.open[device].take() {
            connection.cut(self.now);
            self.tally.cuts += 1;
        }
    }

    /// A few steps of the device's session; begins one when there is none.
    fn go_on(&mut self, device: usize) -> Result<(), String> {
        let mut connection = match self.open[device].take() {
            Some(connection) => connection,
            None => {
                self.tally.sessions += 1;
                let mut exporter = [0; 32];
                exporter[..8].copy_from_slice(&self.dice.next().to_le_bytes());
                let (own, server) = (&self.devices[device], &self.server);
                Connection::open(own, server, exporter, Options::default(), self.now)
            }
        };
        for _ in 0..self.dice.below(60) {
            let steps = connection.steps();
            if steps.is_empty() {
                break;
            }
            let step = steps[self.dice.below(steps.len())];
            connection.take(step, [&mut self.devices[device], &mut self.server], self.now);
            // What was confirmed in an earlier life of the server is no promise of this one.
            let (confirmed, known) = (self.devices[device].confirmed(), &mut self.confirmed[device]);
            if confirmed.len() > known.len() {
                self.promised.extend(confirmed.difference(known).copied());
                known.clone_from(confirmed);
            }
        }
        if connection.is_over() {
            for end in End::BOTH {
                match connection.closed(end) {
                    Some(CloseReason::Done) => {}
                    Some(CloseReason::Refused(why) | CloseReason::RefusedByPeer(why))
                        if why.code == RefusalCode::Revoked => {}
                    other => return Err(format!("a session ended as {other:?} at {end:?}")),
                }
            }
            self.tally.finished += 1;
        } else if connection.steps().is_empty() {
            return Err(format!("the sessions wait for each other: {connection:?}"));
        } else {
            self.open[device] = Some(connection);
        }
        Ok(())
    }

    fn check_promises(&self) -> Result<(), String> {
        match self.promised.iter().find(|(doc, change)| !self.server.has(doc, change)) {
            Some((doc, change)) => Err(format!("confirmed and lost: {change} of {doc}")),
            None => Ok(()),
        }
    }

    /// Undisturbed sessions of all devices, twice; then everything must be equal.
    fn settle(&mut self) -> Result<(), String> {
        (0..self.devices.len()).for_each(|device| self.cut(device));
        let mut digests = Vec::new();
        for round in 0..2 {
            digests.clear();
            for device in 0..self.devices.len() {
                self.now = self.now.plus_millis(60_000);
                if self.is_revoked(device) {
                    continue;
                }
                let report = sync(&mut self.devices[device], &mut self.server, Options::default(), self.now)?;
                let summary = &report.initiator;
                // In the first round a run may have waited for what a later comparison brought.
                let waits = round > 0 && summary.waiting > 0;
                if summary.outcome != SyncOutcome::Converged || summary.pending_photos > 0 || waits {
                    return Err(format!("round {round}, device {device}: {summary:?}"));
                }
                digests.push(summary.digest());
            }
        }
        if digests.windows(2).any(|pair| pair[0] != pair[1]) {
            return Err(format!("digests differ: {digests:?}"));
        }
        self.check_equal()
    }

    fn check_equal(&mut self) -> Result<(), String> {
        for device in &mut self.devices {
            if self.server.is_revoked(&device.public()) {
                continue;
            }
            for doc in &self.docs {
                if device.admitted_entries(doc) != self.server.admitted_entries(doc) {
                    return Err(format!("{doc} reads differently on a device"));
                }
            }
            for (doc, change) in device.confirmed() {
                // What a revoked author's colleagues bring back to a restored server waits there for a person.
                if !self.server.keeps(doc, change) {
                    return Err(format!("confirmed and lost: {change} of {doc}"));
                }
                self.tally.confirmed += 1;
            }
            let own = device.local().map_err(|error| error.to_string())?;
            if own.pending.changes > 0 {
                return Err(format!("{} changes were never sent", own.pending.changes));
            }
            for hash in device.own_blobs() {
                if self.server.blob(hash).is_none() && !device.blob_is_safe(hash) {
                    return Err(format!("file {hash} never arrived"));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bounded by time spent, not by what could be found: `make soak` runs thousands.
    const SEEDS: u64 = 300;

    /// Seeds that failed once, and the size they failed at. What `make soak` names is added here.
    const FAILED_ONCE: &[(u64, Size)] = &[(5, Size::LARGE), (101, Size::LARGE), (201, Size::LARGE)];

    /// A quarter of the seeds: tests run beside each other, a loop does not.
    fn quarter(number: u64) {
        let runs = SEEDS / 4;
        match soak(number * runs, runs, Size::SMALL) {
            Ok(tally) => {
                assert!(tally.cuts > 75 && tally.restores > 4 && tally.finished > 30, "{tally:?}");
                assert!(tally.revoked > 5 && tally.lost > 3 && tally.confirmed > 300, "{tally:?}");
            }
            Err(why) => panic!("{why}; repeat with simulate(seed, Size::SMALL)"),
        }
    }

    #[test]
    fn the_first_quarter_of_the_seeds_converges_and_loses_nothing() {
        quarter(0);
    }

    #[test]
    fn the_second_quarter_of_the_seeds_converges_and_loses_nothing() {
        quarter(1);
    }

    #[test]
    fn the_third_quarter_of_the_seeds_converges_and_loses_nothing() {
        quarter(2);
    }

    #[test]
    fn the_last_quarter_of_the_seeds_converges_and_loses_nothing() {
        quarter(3);
    }

    #[test]
    fn a_large_run_decides_on_held_work_and_seeds_that_failed_once_hold() {
        let everything = |tally: &Tally| tally.decided > 0 && tally.revoked > 0 && tally.lost > 0 && tally.restores > 5;
        let mut runs = (1..=10).map(|seed| simulate(seed, Size::LARGE).unwrap());
        assert!(runs.any(|tally| everything(&tally)), "in none of them a person decided on held work");
        for (seed, size) in FAILED_ONCE {
            simulate(*seed, *size).unwrap();
        }
    }

    #[test]
    fn a_seed_repeats_itself() {
        assert_eq!(simulate(4_711, Size::SMALL), simulate(4_711, Size::SMALL));
    }
}
