//! Photos and attachments, both ways: previews before originals, newest first, at most four in
//! flight, and of each what the receiver lacks; a file counts only when the receiver has verified and
//! kept it. Bytes may arrive in any order. Records never wait for this.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::calls::{Answer, Call};
use super::parts::{MAX_GAPS, Parts};
use super::replica::{BlobClass, BlobFinish, BlobList, BlobOffer, BlobQuery, BlobWant, Limits, Sealed};
use super::session::{Core, Event, Phase, Step, Then, Transferred, internal, malformed};
use super::wire::{Data, FilesEnd, Frame, Lane, MAX_CHUNK_BYTES, MAX_PARTS, Stored, Want};
use crate::ids::BlobHash;
use crate::time::Timestamp;

/// Files whose bytes are on their way at the same time.
const MAX_IN_FLIGHT: usize = 4;
/// Offers without an answer: answers come while other files are under way.
const OFFERS_AHEAD: usize = 16;
/// Offers a peer may have open here.
const MAX_OPEN: usize = 64;
/// Chunks being written, beyond which reading pauses.
const MAX_WRITING: usize = 8;
/// Answers the peer has not read, beyond which reading pauses: the offers an honest peer makes
/// ahead, its files in flight, and room.
const MAX_ANSWERS: usize = 64;
/// Pieces of files are longer on average: each is a write, and an entry beside a file with gaps.
const MEAN_PIECE: u64 = 256;
/// Bytes kept free of a budget for the frames around the chunks.
const MARGIN: u64 = 2048;

/// What to do with the answer of a call about files.
#[derive(Debug)]
pub(super) enum FilesThen {
    List,
    Left,
    Read { hash: BlobHash, offset: u64 },
    Confirmed { hashes: Vec<BlobHash> },
    Begin { hash: BlobHash },
    Write,
    Finish { hashes: Vec<BlobHash> },
}

/// Both directions of the files lane.
#[derive(Debug)]
pub(super) struct Files {
    max_bytes: Option<u64>,
    until: Option<Timestamp>,
    /// The peer takes nothing.
    silent: bool,
    limits: Limits,
    out: Sender,
    incoming: Receiver,
}

#[derive(Debug, Default)]
struct Sender {
    promised: bool,
    originals: bool,
    /// None before the start, then where it stands.
    stage: SenderStage,
    listing: bool,
    exhausted: bool,
    offered: BTreeMap<BlobHash, BlobOffer>,
    /// With what the receiver lacks of each.
    wanted: VecDeque<(BlobOffer, Parts)>,
    active: BTreeMap<BlobHash, Upload>,
    /// Confirmed by the peer, to be kept together with the next call.
    confirmed: Vec<(BlobHash, Option<Sealed>)>,
    confirming: bool,
    /// Offered before the budget was spent, not answered then: may be complete there all the same.
    dropped: BTreeMap<BlobHash, BlobOffer>,
    skip: BTreeSet<BlobHash>,
    /// Begun and given up, with the bytes that were sent.
    cut: Vec<(BlobHash, u64)>,
    /// Arrived with another hash, and were offered once more.
    damaged: BTreeSet<BlobHash>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum SenderStage {
    #[default]
    Idle,
    Sending,
    /// [`Frame::FilesEnd`] sent; what is left is being counted.
    Counting,
    Done,
}

#[derive(Debug)]
struct Upload {
    offer: BlobOffer,
    /// Not sent yet.
    left: Parts,
    sent: u64,
    reading: bool,
}

#[derive(Debug, Default)]
struct Receiver {
    expected: bool,
    ended: bool,
    open: BTreeMap<BlobHash, Download>,
    writing: usize,
    /// All bytes are here, to be finished together with the next call.
    complete: Vec<BlobHash>,
    finishing: bool,
}

#[derive(Debug)]
struct Download {
    offer: BlobOffer,
    /// None until the replica said what it lacks.
    missing: Option<Parts>,
    received: u64,
    /// In so many pieces.
    pieces: u64,
    /// The sender gave it up after so many bytes.
    promised: u64,
}

impl Files {
    pub(super) fn new(originals: bool, max_bytes: Option<u64>, until: Option<Timestamp>) -> Self {
        let out = Sender { originals, ..Sender::default() };
        Self { max_bytes, until, silent: false, limits: Limits::default(), out, incoming: Receiver::default() }
    }

    pub(super) fn ready(&self, core: &Core) -> bool {
        self.incoming.writing < MAX_WRITING && core.unsent_answers() < MAX_ANSWERS
    }

    pub(super) fn set_limits(&mut self, limits: Limits, originals: bool) {
        self.limits = limits;
        self.out.originals = originals;
    }

    /// The peer takes no files: they stay here, and are counted as pending.
    pub(super) fn send_nothing(&mut self) {
        self.silent = true;
    }

    /// The peer said that it will (or will not) offer files.
    pub(super) fn expect(&mut self, offers: bool) {
        self.incoming.expected |= offers;
    }

    pub(super) fn will_send(&mut self) {
        self.out.promised = true;
    }

    pub(super) fn start_if_promised(&mut self, core: &mut Core) {
        if self.out.promised {
            self.start(core);
        }
    }

    /// Records are done: files may go.
    pub(super) fn start(&mut self, core: &mut Core) {
        if self.out.stage == SenderStage::Idle {
            self.out.stage = SenderStage::Sending;
            self.pump(core);
        }
    }

    pub(super) fn is_done(&self) -> bool {
        let sent = matches!(self.out.stage, SenderStage::Idle | SenderStage::Done);
        let received = !self.incoming.expected || self.incoming.is_done();
        sent && received
    }

    pub(super) fn frame(&mut self, core: &mut Core, frame: Frame) -> Step {
        match frame {
            Frame::Offer(offer) => {
                let budget = !self.affords(core, &offer);
                self.incoming.offer(core, offer, self.limits, budget)
            }
            Frame::Data(data) => self.incoming.data(core, data),
            Frame::FilesEnd(end) => self.incoming.end(&end),
            Frame::Want(want) => self.out.want(core, want),
            Frame::Stored(stored) => self.out.stored(core, stored),
            _ => Err(malformed("a frame that does not belong to files")),
        }
    }

    pub(super) fn answer(&mut self, core: &mut Core, then: FilesThen, answer: Answer) -> Step {
        match (then, answer) {
            (FilesThen::List, Answer::Blobs(list)) => self.out.listed(core, list),
            (FilesThen::Left, Answer::Blobs(list)) => {
                self.out.stage = SenderStage::Done;
                core.summary.pending_photos = list.pending;
                core.summary.pending_photo_bytes = list.pending_bytes;
            }
            (FilesThen::Read { hash, offset }, Answer::Bytes(bytes)) => self.out.chunk(core, hash, offset, bytes)?,
            (FilesThen::Confirmed { hashes }, Answer::Done) => {
                self.out.confirming = false;
                hashes.into_iter().for_each(|hash| core.event(Event::FileSent(hash)));
                self.out.keep_confirmed(core);
            }
            (FilesThen::Begin { hash }, Answer::Want(want)) => self.incoming.begun(core, hash, want),
            (FilesThen::Write, Answer::Done) => self.incoming.written(),
            (FilesThen::Finish { hashes }, Answer::Finished(all)) if hashes.len() == all.len() => {
                self.incoming.finishing = false;
                for (hash, finish) in hashes.into_iter().zip(all) {
                    self.incoming.finished(core, hash, finish);
                }
                self.incoming.finish_complete(core);
            }
            _ => return Err(internal("an answer of another call")),
        }
        Ok(())
    }

    /// Whether an offered file still fits into the budget, with those that are coming already. Once
    /// begun a file comes whole, so this is the moment to decline.
    fn affords(&self, core: &Core, offer: &BlobOffer) -> bool {
        let coming: u64 = self.incoming.open.values().map(Download::left).sum();
        let spent = core.total_bytes().saturating_add(coming).saturating_add(offer.bytes).saturating_add(MARGIN);
        let in_time = self.until.is_none_or(|until| core.now < until);
        in_time && self.max_bytes.is_none_or(|max| spent <= max)
    }

    /// Sends whatever budget, lane and the receiver allow.
    pub(super) fn pump(&mut self, core: &mut Core) {
        if self.out.stage != SenderStage::Sending {
            return;
        }
        let max_bytes = if self.silent { Some(0) } else { self.max_bytes };
        let spent = max_bytes.is_some_and(|max| core.total_bytes().saturating_add(MARGIN) >= max);
        if spent || self.until.is_some_and(|until| core.now >= until) {
            self.out.stop();
        }
        let room = max_bytes.map(|max| max.saturating_sub(core.total_bytes().saturating_add(MARGIN)));
        self.out.pump(core, room);
    }
}

impl Sender {
    /// The budget is spent: nothing new is begun, what the receiver has it keeps for the next time.
    fn stop(&mut self) {
        self.exhausted = true;
        self.wanted.retain(|(_, left)| left.is_empty());
        self.dropped.append(&mut self.offered);
        let given_up = self.active.extract_if(.., |_, upload| !upload.reading && !upload.left.is_empty());
        self.cut.extend(given_up.map(|(hash, upload)| (hash, upload.sent)));
    }

    fn pump(&mut self, core: &mut Core, room: Option<u64>) {
        if !self.exhausted && !self.listing && self.offered.len() + self.wanted.len() < OFFERS_AHEAD / 2 {
            self.listing = true;
            let exclude = self.under_way();
            let query = BlobQuery { max: OFFERS_AHEAD, originals: self.originals, exclude };
            core.call(Call::BlobsToSend(query), Then::Files(FilesThen::List));
        }
        while self.active.len() < MAX_IN_FLIGHT {
            let Some((offer, left)) = self.wanted.pop_front() else { break };
            self.active.insert(offer.hash, Upload { offer, left, sent: 0, reading: false });
        }
        let mut room = room.unwrap_or(u64::MAX);
        // Previews first, whichever file was begun earlier.
        let mut order: Vec<_> = self.active.values_mut().collect();
        order.sort_by_key(|upload| upload.offer.class);
        for upload in order {
            let Some((offset, end)) = upload.left.next().filter(|_| !upload.reading && core.lane_free(Lane::Files))
            else {
                continue;
            };
            let len = usize::try_from(end - offset).unwrap_or(usize::MAX).min(MAX_CHUNK_BYTES);
            room = room.saturating_sub(u64::try_from(len).unwrap_or(u64::MAX));
            if room == 0 {
                break;
            }
            upload.reading = true;
            let hash = upload.offer.hash;
            core.call(Call::BlobRead { hash, offset, len }, Then::Files(FilesThen::Read { hash, offset }));
        }
        if room == 0 && !self.active.values().any(|upload| upload.reading) {
            self.stop();
        }
        self.end_if_done(core);
    }

    fn end_if_done(&mut self, core: &mut Core) {
        let idle = self.offered.is_empty() && self.wanted.is_empty() && self.active.is_empty();
        if self.exhausted && idle && !self.listing && !self.confirming {
            self.stage = SenderStage::Counting;
            let begun = std::mem::take(&mut self.cut);
            core.send(&Frame::FilesEnd(FilesEnd { begun: begun.into_iter().rev().take(MAX_OPEN).collect() }));
            let query = BlobQuery { max: 0, originals: true, exclude: BTreeSet::new() };
            core.call(Call::BlobsToSend(query), Then::Files(FilesThen::Left));
        }
    }

    fn under_way(&self) -> BTreeSet<BlobHash> {
        let wanted = self.wanted.iter().map(|(offer, _)| offer.hash);
        self.offered.keys().chain(self.active.keys()).chain(&self.skip).copied().chain(wanted).collect()
    }

    fn listed(&mut self, core: &mut Core, list: BlobList) {
        self.listing = false;
        core.summary.pending_photos = list.pending;
        core.summary.pending_photo_bytes = list.pending_bytes;
        let known = self.under_way();
        let fresh: Vec<_> = list.offers.into_iter().filter(|offer| !known.contains(&offer.hash)).collect();
        self.exhausted |= fresh.is_empty();
        if self.exhausted {
            return;
        }
        for offer in fresh {
            core.send(&Frame::Offer(offer.clone()));
            self.offered.insert(offer.hash, offer);
        }
    }

    fn want(&mut self, core: &mut Core, want: Want) -> Step {
        let Some(offer) = self.offered.remove(&want.hash) else {
            return self.wanted_late(core, want);
        };
        match want.want {
            BlobWant::Parts(list) => match Parts::from_list(&list) {
                Some(left) if left.end().unwrap_or(0) <= offer.bytes => self.wanted.push_back((offer, left)),
                _ => return Err(malformed("ranges that a file does not have")),
            },
            BlobWant::Have(receipt) => self.confirm(core, &offer, receipt),
            BlobWant::Refused(code) => {
                self.skip.insert(offer.hash);
                core.event(Event::FileRefused { hash: offer.hash, code: super::wire::clip(&code) });
            }
        }
        Ok(())
    }

    /// Answered after the budget was spent: no bytes go any more, but what is there is there.
    fn wanted_late(&mut self, core: &mut Core, want: Want) -> Step {
        let offer = self.dropped.remove(&want.hash).ok_or_else(|| malformed("an answer to no offer"))?;
        match want.want {
            BlobWant::Parts(list) if list.is_empty() => {
                self.dropped.insert(offer.hash, offer);
            }
            BlobWant::Have(receipt) => self.confirm(core, &offer, receipt),
            BlobWant::Parts(_) | BlobWant::Refused(_) => {}
        }
        Ok(())
    }

    /// The file of a receipt: all its bytes were sent, or were there before. A receiver that needs
    /// none says so and confirms in one breath, before the file has its turn here.
    fn finished(&mut self, hash: &BlobHash) -> Result<BlobOffer, super::replica::Refusal> {
        if let Some(upload) = self.active.get(hash) {
            if upload.reading || !upload.left.is_empty() {
                return Err(malformed("a receipt before the last byte"));
            }
            let upload = self.active.remove(hash);
            return upload.map(|upload| upload.offer).ok_or_else(|| internal("an upload that was there is gone"));
        }
        if let Some(offer) = self.dropped.remove(hash) {
            return Ok(offer);
        }
        let complete = |(offer, left): &(BlobOffer, Parts)| offer.hash == *hash && left.is_empty();
        let waiting = self.wanted.iter().position(complete).and_then(|at| self.wanted.remove(at));
        waiting.map(|(offer, _)| offer).ok_or_else(|| malformed("a receipt for a file that was not sent"))
    }

    fn chunk(&mut self, core: &mut Core, hash: BlobHash, offset: u64, bytes: Vec<u8>) -> Step {
        let Some(upload) = self.active.get_mut(&hash) else { return Ok(()) };
        upload.reading = false;
        if bytes.is_empty() {
            // Shorter than recorded: the file was cut behind the store's back. Leave it.
            self.cut.push((hash, upload.sent));
            self.active.remove(&hash);
            self.skip.insert(hash);
            core.event(Event::FileRefused { hash, code: "unreadable".into() });
            return Ok(());
        }
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if !upload.left.take(offset, offset.saturating_add(length)) {
            return Err(internal("more bytes of a file than asked for"));
        }
        upload.sent = upload.sent.saturating_add(length);
        let (done, total) = (upload.offer.bytes.saturating_sub(upload.left.bytes()), Some(upload.offer.bytes));
        core.send(&Frame::Data(Data { hash, offset, bytes }));
        core.event(Event::Progress { phase: Phase::FilesOut, done, total });
        Ok(())
    }

    fn stored(&mut self, core: &mut Core, stored: Stored) -> Step {
        let offer = self.finished(&stored.hash)?;
        if stored.intact {
            self.confirm(core, &offer, stored.receipt);
            return Ok(());
        }
        core.summary.damaged_files += 1;
        if self.damaged.insert(stored.hash) {
            // Damaged on its way, or on the medium here: once more from the start tells which.
            core.send(&Frame::Offer(offer.clone()));
            self.offered.insert(offer.hash, offer);
        } else {
            self.skip.insert(stored.hash);
            core.event(Event::FileRefused { hash: stored.hash, code: "hash_mismatch".into() });
        }
        Ok(())
    }

    fn confirm(&mut self, core: &mut Core, offer: &BlobOffer, receipt: Option<Sealed>) {
        let hash = offer.hash;
        self.skip.insert(hash);
        count(&mut core.summary.sent, offer.class);
        self.confirmed.push((hash, receipt));
        self.keep_confirmed(core);
    }

    /// One call at a time: what is confirmed meanwhile goes with the next, into one commit.
    fn keep_confirmed(&mut self, core: &mut Core) {
        if self.confirming || self.confirmed.is_empty() {
            return;
        }
        self.confirming = true;
        let files = std::mem::take(&mut self.confirmed);
        let hashes = files.iter().map(|(hash, _)| *hash).collect();
        core.call(Call::BlobsStored(files), Then::Files(FilesThen::Confirmed { hashes }));
    }
}

impl Download {
    /// Bytes that have not come.
    fn left(&self) -> u64 {
        self.missing.as_ref().map_or(self.offer.bytes, Parts::bytes)
    }
}

impl Receiver {
    fn offer(&mut self, core: &mut Core, offer: BlobOffer, limits: Limits, beyond_budget: bool) -> Step {
        if self.ended || self.open.len() >= MAX_OPEN || self.open.contains_key(&offer.hash) {
            return Err(malformed("an offer too many"));
        }
        let hash = offer.hash;
        let refused = match (limits.photos, offer.bytes > limits.max_blob_bytes) {
            (false, _) => Some("disk_full"),
            (true, true) => Some("too_large"),
            (true, false) if beyond_budget => Some("budget"),
            (true, false) => None,
        };
        if let Some(code) = refused {
            core.send(&Frame::Want(Want { hash, want: BlobWant::Refused(code.into()) }));
            return Ok(());
        }
        core.call(Call::BlobBegin(offer.clone()), Then::Files(FilesThen::Begin { hash }));
        self.open.insert(hash, Download { offer, missing: None, received: 0, pieces: 0, promised: 0 });
        Ok(())
    }

    fn begun(&mut self, core: &mut Core, hash: BlobHash, want: BlobWant) {
        match (&want, self.open.get_mut(&hash)) {
            (BlobWant::Parts(list), Some(download)) => {
                let bytes = download.offer.bytes;
                let missing = Parts::from_list(list).filter(|parts| parts.end().unwrap_or(0) <= bytes);
                let missing = missing.unwrap_or_else(|| Parts::first(bytes)).at_most(MAX_PARTS);
                let complete = missing.is_empty();
                core.send(&Frame::Want(Want { hash, want: BlobWant::Parts(missing.to_list()) }));
                download.missing = Some(missing);
                if complete {
                    self.finish(core, hash);
                }
            }
            _ => {
                self.open.remove(&hash);
                core.send(&Frame::Want(Want { hash, want }));
            }
        }
    }

    fn data(&mut self, core: &mut Core, data: Data) -> Step {
        let download = self.open.get_mut(&data.hash).ok_or_else(|| malformed("bytes of no file"))?;
        let length = u64::try_from(data.bytes.len()).unwrap_or(u64::MAX);
        let end = data.offset.saturating_add(length);
        if !download.missing.as_mut().is_some_and(|missing| missing.take(data.offset, end)) {
            return Err(malformed("bytes of a file out of place"));
        }
        download.received = download.received.saturating_add(length);
        download.pieces += 1;
        let gaps = download.missing.as_ref().map_or(0, Parts::count);
        if gaps > MAX_GAPS || download.pieces > MAX_GAPS as u64 + download.offer.bytes / MEAN_PIECE {
            return Err(malformed("bytes of a file in too many pieces"));
        }
        self.writing += 1;
        let (left, total) = (download.left(), download.offer.bytes);
        let (hash, offset, bytes) = (data.hash, data.offset, Arc::new(data.bytes));
        core.call(Call::BlobWrite { hash, offset, bytes }, Then::Files(FilesThen::Write));
        core.event(Event::Progress { phase: Phase::FilesIn, done: total.saturating_sub(left), total: Some(total) });
        if left == 0 {
            self.finish(core, hash);
        }
        Ok(())
    }

    /// What was sent before may still be on its way, and is waited for.
    fn end(&mut self, end: &FilesEnd) -> Step {
        if self.ended || end.begun.len() > MAX_OPEN {
            return Err(malformed("an end of files too many"));
        }
        self.ended = true;
        for (hash, sent) in &end.begun {
            if let Some(download) = self.open.get_mut(hash) {
                download.promised = *sent;
            }
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.ended && self.writing == 0 && self.open.values().all(|download| download.received >= download.promised)
    }

    fn written(&mut self) {
        self.writing = self.writing.saturating_sub(1);
    }

    /// Calls are executed in order, so the last bytes are written before this.
    fn finish(&mut self, core: &mut Core, hash: BlobHash) {
        self.writing += 1;
        self.complete.push(hash);
        self.finish_complete(core);
    }

    /// One call at a time: what is complete meanwhile goes with the next, into one commit.
    fn finish_complete(&mut self, core: &mut Core) {
        if self.finishing || self.complete.is_empty() {
            return;
        }
        self.finishing = true;
        let hashes = std::mem::take(&mut self.complete);
        core.call(Call::BlobsFinish(hashes.clone()), Then::Files(FilesThen::Finish { hashes }));
    }

    fn finished(&mut self, core: &mut Core, hash: BlobHash, finish: BlobFinish) {
        self.writing = self.writing.saturating_sub(1);
        let Some(download) = self.open.remove(&hash) else { return };
        let (intact, receipt) = match finish {
            BlobFinish::Stored(receipt) => (true, receipt),
            BlobFinish::HashMismatch => (false, None),
        };
        core.send(&Frame::Stored(Stored { hash, intact, receipt }));
        if intact {
            count(&mut core.summary.received, download.offer.class);
            core.event(Event::FileReceived(hash));
        } else {
            core.summary.damaged_files += 1;
            core.event(Event::FileRefused { hash, code: "hash_mismatch".into() });
        }
    }
}

fn count(transferred: &mut Transferred, class: BlobClass) {
    match class {
        BlobClass::Preview => transferred.previews += 1,
        BlobClass::Original | BlobClass::Attachment => transferred.photos += 1,
    }
}
