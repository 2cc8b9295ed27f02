//! The device's side of the records lane: hello, push, pull, proof; comparison when digests differ.
//!
//! Everything that can be sent without waiting is sent at once: hello, changes and their end leave
//! in the first flight, so that a sync with nothing to do, or little, takes one round trip.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::calls::{Answer, Call};
use super::comparing::Comparing;
use super::files::Files;
use super::pace::Pace;
use super::replica::{
    Admitted, Batch, Cursor, FeedItem, Local, Missing, Outcome, Outgoing, RefusalCode, SendPlan, SignedRun,
    SignedStatement, Since, Statement, StatementLine, Welcome,
};
use super::session::{CloseReason, Core, Event, Options, Phase, Step, SyncOutcome, Then, internal, malformed, refusal};
use super::wire::{
    Ack, FeedMode, Frame, Hello, HelloLine, HelloReply, Lane, MAX_ASKED_FILES, MAX_BATCH_ITEMS, PackedBatch, Packer,
    PullEnd, PushEnd, SignedHello, Unpacker, VERSION,
};
use crate::identity::Purpose;
use crate::ids::Collection;
use crate::time::Timestamp;

/// Batches on their way without a receipt: bounds what both sides keep in memory.
const WINDOW: usize = 8;
/// Batches received and not yet durable, beyond which reading pauses.
const MAX_ADMITTING: usize = 2;

/// Comparisons in one session. What arrives by the first may let in what waited for it, on either
/// side; the second brings that over.
pub(super) const MAX_COMPARISONS: u32 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The hello is not sent, or a plan or a new certificate is awaited: nothing is pushed.
    Opening,
    /// Records go both ways.
    Records,
    /// Proof sent; files go both ways.
    Files,
}

#[derive(Debug)]
pub(super) struct Initiator {
    options: Options,
    stage: Stage,
    local: Local,
    /// Collections the acceptor serves, and in which way.
    feeds: Option<BTreeMap<Collection, FeedMode>>,
    takes_records: bool,
    push: Pusher,
    pulled: u32,
    admitting: usize,
    comparison: Option<Comparing>,
    unpacker: Unpacker,
    comparisons: u32,
    end: Option<PullEnd>,
    reading_states: bool,
}

/// Batches on their way to the acceptor.
#[derive(Debug, Default)]
struct Pusher {
    plan: SendPlan,
    fetching: bool,
    /// Nothing more will be added to `ready`.
    exhausted: bool,
    end_sent: bool,
    ready: VecDeque<Arc<Batch>>,
    in_flight: VecDeque<InFlight>,
    packer: Packer,
    packed: u64,
    pace: Pace,
    next_number: u32,
    acknowledging: usize,
}

/// A batch without a receipt.
#[derive(Debug)]
struct InFlight {
    number: u32,
    batch: Arc<Batch>,
    sent: Timestamp,
}

impl Initiator {
    pub(super) fn new(options: Options) -> Self {
        Self {
            options,
            stage: Stage::Opening,
            local: Local::default(),
            feeds: None,
            takes_records: true,
            push: Pusher::default(),
            pulled: 0,
            admitting: 0,
            comparison: None,
            unpacker: Unpacker::default(),
            comparisons: 0,
            end: None,
            reading_states: false,
        }
    }

    pub(super) fn ready(&self) -> bool {
        self.admitting < MAX_ADMITTING
    }

    pub(super) fn takes_files(&self) -> bool {
        self.stage == Stage::Files
    }

    pub(super) fn frame(&mut self, core: &mut Core, files: &mut Files, frame: Frame) -> Step {
        match frame {
            Frame::AskCertificate if self.feeds.is_none() => self.show_certificate(core),
            Frame::HelloReply(reply) if self.feeds.is_none() => self.welcomed(core, files, reply),
            Frame::Ack(ack) => self.acknowledged(core, ack),
            Frame::Pull(part) if self.feeds.is_some() && self.end.is_none() => self.pulled(core, &part),
            Frame::Compare(answer) => self.comparison()?.answered(core, &answer),
            Frame::Wanted(wanted) => self.comparison()?.wanted(core, wanted),
            Frame::PullEnd(end) if self.feeds.is_some() && self.end.is_none() => {
                if !(self.push.end_sent && self.push.in_flight.is_empty()) {
                    return Err(malformed("the end of a pull before all receipts"));
                }
                self.end = Some(end);
                files.expect(self.end.as_ref().is_some_and(|end| end.files));
                Ok(())
            }
            _ => Err(malformed("a frame that does not belong here")),
        }
    }

    pub(super) fn answer(&mut self, core: &mut Core, files: &mut Files, then: Then, answer: Answer) -> Step {
        match (then, answer) {
            (Then::Local, Answer::Local(local)) => self.say_hello(core, local),
            (Then::Welcome, Answer::Done) => {
                self.stage = Stage::Records;
                Ok(())
            }
            (Then::Outgoing, Answer::Outgoing(outgoing)) => self.outgoing(core, outgoing),
            (Then::Acknowledge, Answer::Done) => {
                self.push.acknowledging = self.push.acknowledging.saturating_sub(1);
                Ok(())
            }
            (Then::Admit { .. }, Answer::Admitted(admitted)) => {
                self.admitting = self.admitting.saturating_sub(1);
                self.count_received(core, &admitted);
                Ok(())
            }
            (Then::Heads, Answer::Heads(page)) => self.comparison()?.listed(core, page),
            (Then::RunsFor, Answer::Missing(missing)) => self.send_missing(core, missing),
            (Then::States, Answer::States(states)) => {
                self.reading_states = false;
                let states = states.into_iter().map(|state| (state.collection, state)).collect();
                self.conclude(core, files, &states)
            }
            (Then::Kept, Answer::Done) => Ok(()),
            _ => Err(internal("an answer of another call")),
        }
    }

    /// Does whatever can be done now.
    pub(super) fn pump(&mut self, core: &mut Core, files: &mut Files) {
        let step = match self.stage {
            Stage::Opening => Ok(()),
            Stage::Records => self.pump_records(core),
            Stage::Files => {
                files.pump(core);
                if files.is_done() && core.is_quiet() {
                    core.send(&Frame::Bye);
                    core.close(CloseReason::Done);
                }
                Ok(())
            }
        };
        if let Err(refusal) = step {
            core.refuse(refusal);
        }
    }

    fn say_hello(&mut self, core: &mut Core, local: Local) -> Step {
        core.summary.to_push = local.pending;
        core.summary.pending_photos = local.pending.photos;
        core.summary.pending_photo_bytes = local.pending.photo_bytes;
        core.summary.digests = local.subscriptions.iter().map(|state| (state.collection, state.digest)).collect();
        let lines = local.subscriptions.iter().map(|state| HelloLine {
            collection: state.collection,
            digest: state.digest,
            count: state.count,
            held: state.held,
            cursor: state.cursor,
        });
        let hello = Hello {
            version: VERSION,
            time: core.now,
            lines: lines.collect(),
            ticket_secret: self.options.ticket_secret.clone(),
            wants_server_certificate: local.wants_server_certificate.then_some(true),
            plan_only: self.options.plan_only.then_some(true),
            fetch: Some(self.options.fetch).filter(|fetch| *fetch != super::replica::Fetch::Nothing),
            files: Some(self.options.files.iter().take(MAX_ASKED_FILES).copied().collect::<Vec<_>>())
                .filter(|files| !files.is_empty()),
            // Elsewhere the handshake has settled who the server is; a ticket names one.
            server: self.options.ticket_secret.is_some().then_some(core.config.peer),
        };
        let body = hello.encode();
        let signature = core.config.key.sign(Purpose::Hello, &Hello::bound(&core.config.exporter, &body));
        core.send(&Frame::Hello(SignedHello { body, signature }));
        self.local = local;
        // Who enrols is nobody yet, who plans sends nothing, and a device must show its membership
        // first: all wait for the answer.
        if self.options.ticket_secret.is_none() && !self.options.plan_only && !self.options.peer {
            self.stage = Stage::Records;
        }
        Ok(())
    }

    fn show_certificate(&mut self, core: &mut Core) -> Step {
        let Some(certificate) = self.local.certificate.clone() else {
            return Err(refusal(RefusalCode::UnknownMember, "this device has no certificate; enrol it with a ticket"));
        };
        core.send(&Frame::Certificate(certificate));
        Ok(())
    }

    fn welcomed(&mut self, core: &mut Core, files: &mut Files, reply: HelloReply) -> Step {
        let skew_ms = reply.time.millis().saturating_sub(core.now.millis());
        core.summary.skew_ms = Some(skew_ms);
        let enrolled = reply.certificate.is_some() && !self.options.peer;
        core.event(Event::Welcomed { enrolled, skew_ms });
        self.feeds = Some(reply.feeds.iter().map(|line| (line.collection, line.mode)).collect());
        if self.options.plan_only {
            core.summary.to_pull = Some(reply.pending.unwrap_or_default());
            core.send(&Frame::Bye);
            core.close(CloseReason::Done);
            return Ok(());
        }
        let limits = reply.limits.unwrap_or_default();
        self.takes_records = limits.records;
        if !limits.photos {
            files.send_nothing();
        }
        let void = reply.feeds.iter().filter(|line| line.mode == FeedMode::Void).map(|line| line.collection);
        let welcome = Welcome {
            certificate: reply.certificate,
            server_certificate: reply.server_certificate,
            collections: reply.feeds.iter().map(|line| line.collection).collect(),
            void: void.collect(),
            server_time: reply.time,
            limits,
        };
        core.call(Call::Welcome(Arc::new(welcome)), Then::Welcome);
        Ok(())
    }

    fn pump_records(&mut self, core: &mut Core) -> Step {
        self.pump_push(core)?;
        if let Some(comparison) = &mut self.comparison {
            comparison.pump(core);
        }
        let settled = self.push.is_settled() && self.admitting == 0 && !self.reading_states;
        if let Some(end) = self.end.as_ref().filter(|_| settled) {
            self.reading_states = true;
            core.call(Call::States(end.lines.iter().map(|line| line.collection).collect()), Then::States);
        }
        Ok(())
    }

    fn pump_push(&mut self, core: &mut Core) -> Step {
        if !self.takes_records && self.comparison.is_none() {
            self.push.exhausted = true;
            self.push.ready.clear();
        }
        // The acceptor takes a second push once it has the whole comparison.
        let open = self.comparison.as_ref().is_none_or(Comparing::is_told);
        while open && self.push.in_flight.len() < WINDOW && core.lane_free(Lane::Records) {
            let Some(batch) = self.push.ready.pop_front() else { break };
            let number = self.push.next_number;
            let left = self.local.pending.bytes.saturating_sub(self.push.packed);
            let packed = self.push.packer.pack(&batch, left).map_err(|error| internal(error.to_string()))?;
            PackedBatch::parts(number, &packed).for_each(|part| core.send(&Frame::Push(part)));
            self.push.packed = self.push.packed.saturating_add(packed.len() as u64);
            self.push.next_number += 1;
            self.push.in_flight.push_back(InFlight { number, batch, sent: core.now });
        }
        if let Some(comparison) = &self.comparison {
            self.push.exhausted = comparison.is_answered();
        } else if !self.push.exhausted
            && !self.push.fetching
            && self.push.ready.is_empty()
            && self.push.in_flight.len() < WINDOW
            && core.lane_free(Lane::Records)
        {
            self.fetch(core);
        }
        if self.push.exhausted && !self.push.fetching && self.push.ready.is_empty() && !self.push.end_sent {
            self.push.end_sent = true;
            core.send(&Frame::PushEnd(PushEnd { files: self.local.pending.photo_bytes > 0 }));
        }
        Ok(())
    }

    fn outgoing(&mut self, core: &mut Core, outgoing: Outgoing) -> Step {
        self.push.fetching = false;
        self.push.plan = outgoing.next;
        if !outgoing.batch.items.is_empty() {
            self.push.ready.push_back(Arc::new(outgoing.batch));
        }
        if self.comparison.is_none() {
            self.push.exhausted |= !outgoing.more;
        } else if outgoing.more {
            self.fetch(core);
        }
        Ok(())
    }

    fn fetch(&mut self, core: &mut Core) {
        self.push.fetching = true;
        let plan = Arc::new(self.push.plan.clone());
        let max_bytes = self.push.pace.bytes(core.config.batch_bytes);
        core.call(Call::Outgoing { plan, max_bytes }, Then::Outgoing);
    }

    fn acknowledged(&mut self, core: &mut Core, ack: Ack) -> Step {
        let Some(InFlight { number, batch, sent }) = self.push.in_flight.pop_front() else {
            return Err(malformed("a receipt for nothing"));
        };
        let admitted = expand(&ack, batch.items.len()).filter(|_| number == ack.number);
        let admitted = admitted.ok_or_else(|| malformed("a receipt for another batch"))?;
        self.push.pace.confirmed(sent, core.now, core.config.batch_bytes);
        for (item, outcome) in batch.items.iter().zip(&admitted.outcomes) {
            count_sent(core, item, outcome);
        }
        let done = core.summary.sent.changes;
        core.event(Event::Progress { phase: Phase::Push, done, total: Some(core.summary.to_push.changes.max(done)) });
        self.push.acknowledging += 1;
        core.call(Call::Acknowledge(batch, Arc::new(admitted)), Then::Acknowledge);
        Ok(())
    }

    fn pulled(&mut self, core: &mut Core, part: &PackedBatch) -> Step {
        let number = part.number;
        if number != self.pulled {
            return Err(malformed("batches out of order"));
        }
        let batch = self.unpacker.part(&part.packed, part.last).map_err(|error| malformed(error.to_string()))?;
        let Some(batch) = batch else { return Ok(()) };
        self.pulled += 1;
        self.admitting += 1;
        core.call(Call::Admit(Arc::new(batch)), Then::Admit { number, changes: 0 });
        Ok(())
    }

    fn count_received(&mut self, core: &mut Core, admitted: &Admitted) {
        core.summary.received.changes += admitted.new_changes;
        let refused = admitted.outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Refused { .. })).count();
        core.summary.refused_items += u64::try_from(refused).unwrap_or(u64::MAX);
        core.event(Event::Progress { phase: Phase::Pull, done: core.summary.received.changes, total: None });
    }

    fn comparison(&mut self) -> Result<&mut Comparing, super::replica::Refusal> {
        self.comparison.as_mut().ok_or_else(|| malformed("nothing was being compared"))
    }

    fn send_missing(&mut self, core: &Core, missing: Vec<Missing>) -> Step {
        let runs = self.comparison()?.fetched(missing);
        let max_bytes = self.push.pace.bytes(core.config.batch_bytes);
        self.push.ready.extend(batches(runs, max_bytes).map(Arc::new));
        Ok(())
    }

    /// Both sides have what they sent each other: is it the same?
    fn conclude(
        &mut self,
        core: &mut Core,
        files: &mut Files,
        states: &BTreeMap<Collection, super::replica::CollectionState>,
    ) -> Step {
        let end = self.end.take().ok_or_else(|| internal("states without an end"))?;
        let known: BTreeMap<_, _> = self.local.subscriptions.iter().map(|state| (state.collection, state)).collect();
        let feeds = self.feeds.clone().unwrap_or_default();
        let (mut lines, mut cursors, mut unequal) = (Vec::new(), Vec::new(), Vec::new());
        for line in &end.lines {
            let before = known.get(&line.collection);
            let digest = line.digest.or_else(|| before.map(|state| state.digest));
            let chain = line.chain.or_else(|| before.and_then(|state| state.cursor).map(|cursor| cursor.chain));
            let mode = feeds.get(&line.collection);
            let (Some(digest), Some(chain), Some(mode)) = (digest, chain, mode) else {
                return Err(malformed("the end of a pull lacks a digest, a chain hash or a feed"));
            };
            let state = states.get(&line.collection);
            if !state.is_some_and(|state| state.digest == digest && state.count == line.count) {
                unequal.push(line.collection);
            }
            if *mode == FeedMode::Void {
                cursors.push((line.collection, Cursor { epoch: end.epoch, seq: line.seq, chain }));
            }
            let (collection, count, held, seq) = (line.collection, line.count, line.held, line.seq);
            lines.push(StatementLine { collection, digest, count, held, seq });
        }
        core.summary.digests = states.iter().map(|(collection, state)| (*collection, state.digest)).collect();
        let statement = Statement {
            acceptor: core.config.peer,
            initiator: core.config.key.public(),
            session: core.config.session_id(),
            epoch: end.epoch,
            at: end.at,
            lines,
        };
        let signed = statement.verify(&core.config.peer, &end.signature);
        signed.map_err(|error| malformed(format!("the acceptor's statement: {error}")))?;
        // A database of another life is told once what it may have lost: receipts, with the times
        // they prove, are no part of what a digest covers.
        if self.comparisons == 0 && self.takes_records && !self.options.peer {
            let void = cursors.iter().map(|(collection, _)| *collection);
            unequal.extend(void.filter(|collection| !unequal.contains(collection)).collect::<Vec<_>>());
            unequal.sort_unstable();
        }
        if unequal.is_empty() {
            self.prove(core, statement, end.signature, cursors);
        } else if self.comparisons < MAX_COMPARISONS && self.takes_records {
            self.start_comparison(core, unequal);
            return Ok(());
        } else {
            let list = unequal.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let text = if self.takes_records {
                format!(
                    "the digests of {list} still differ after a comparison; sync again, and tell the administrator if it stays"
                )
            } else {
                format!(
                    "the server takes no records at the moment (its disk is full), so {list} differ; sync again later"
                )
            };
            core.summary.why = Some(refusal(RefusalCode::Internal, text));
            core.send(&Frame::Proof(None));
        }
        self.stage = Stage::Files;
        if self.local.pending.photo_bytes > 0 {
            files.start(core);
        }
        Ok(())
    }

    fn prove(
        &mut self,
        core: &mut Core,
        statement: Statement,
        by_acceptor: crate::ids::Signature,
        cursors: Vec<(Collection, Cursor)>,
    ) {
        let by_initiator = statement.sign(&core.config.key);
        core.send(&Frame::Proof(Some(by_initiator)));
        core.summary.outcome = SyncOutcome::Converged;
        core.summary.statement = Some(statement.clone());
        if !cursors.is_empty() {
            core.call(Call::AdoptCursors(cursors), Then::Kept);
        }
        let signed = SignedStatement { statement, by_acceptor, by_initiator };
        core.call(Call::KeepStatement(Arc::new(signed)), Then::Kept);
    }

    fn start_comparison(&mut self, core: &mut Core, unequal: Vec<Collection>) {
        core.event(Event::Comparing(unequal.clone()));
        core.summary.compared.clone_from(&unequal);
        self.comparisons += 1;
        self.comparison = Some(Comparing::new(unequal));
        self.push.exhausted = false;
        self.push.end_sent = false;
        let restored = self.feeds.iter().flatten().any(|(_, mode)| *mode == FeedMode::Void);
        if restored && self.comparisons == 1 {
            // The acceptor lost part of its past: certificates and revocations go before the runs
            // of those they are about.
            self.push.plan.feeds.insert(Collection::REFERENCE, Since::WithoutRuns);
            self.fetch(core);
        }
    }
}

impl Pusher {
    fn is_settled(&self) -> bool {
        self.end_sent && self.in_flight.is_empty() && self.acknowledging == 0
    }
}

fn count_sent(core: &mut Core, item: &FeedItem, outcome: &Outcome) {
    let FeedItem::Run(run) = item else { return };
    match outcome {
        Outcome::Stored { .. } => {
            core.summary.sent.changes += u64::try_from(run.changes.len()).unwrap_or(u64::MAX);
        }
        Outcome::Held { code } => {
            core.summary.held += 1;
            core.event(Event::Held { doc: run.doc, code: code.clone() });
        }
        Outcome::Waiting => core.summary.waiting += 1,
        Outcome::Refused { code, text } => {
            core.summary.refused_items += 1;
            core.event(Event::ItemRefused { doc: run.doc, code: code.clone(), text: text.clone() });
        }
    }
}

/// The acknowledgement in full: what is not listed is stored, with a row in the ledger.
fn expand(ack: &Ack, items: usize) -> Option<Admitted> {
    let mut outcomes = vec![Outcome::Stored { in_ledger: true }; items];
    for (index, outcome) in &ack.exceptions {
        *outcomes.get_mut(usize::try_from(*index).ok()?)? = outcome.clone();
    }
    Some(Admitted { outcomes, receipts: ack.receipts.clone(), new_changes: ack.new_changes })
}

/// Cuts runs into batches of about so many bytes.
pub(super) fn batches(runs: impl IntoIterator<Item = SignedRun>, max_bytes: usize) -> impl Iterator<Item = Batch> {
    let mut runs = runs.into_iter().peekable();
    std::iter::from_fn(move || {
        let (mut batch, mut bytes) = (Batch::default(), 0_usize);
        while let Some(run) = runs.next_if(|run| {
            batch.items.is_empty()
                || (bytes.saturating_add(run.size()) <= max_bytes && batch.items.len() < MAX_BATCH_ITEMS / 2)
        }) {
            bytes = bytes.saturating_add(run.size());
            batch.items.push(FeedItem::Run(run));
        }
        (!batch.items.is_empty()).then_some(batch)
    })
}
