//! The server's side of the records lane: judges the hello, admits what is pushed and only then
//! says so, sends the feeds, states what it holds; answers a comparison range by range.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::answering::Answering;
use super::calls::{Answer, Call};
use super::files::Files;
use super::initiator::{MAX_COMPARISONS, batches};
use super::pace::Pace;
use super::replica::{
    Admitted, Batch, CollectionState, FeedItem, Fetch, Introduction, Missing, Outcome, Outgoing, PeerPlan, Refusal,
    RefusalCode, SendPlan, SignedStatement, Since, Statement, StatementLine, Verdict,
};
use super::session::{CloseReason, Core, Event, Phase, Step, SyncOutcome, Then, internal, malformed, refusal};
use super::wire::{
    Ack, EndLine, FeedLine, FeedMode, Frame, Hello, HelloReply, Lane, MAX_ASKED_FILES, PackedBatch, Packer, PullEnd,
    SignedHello, Unpacker, VERSION,
};
use crate::identity::{Purpose, verify};
use crate::ids::{Collection, Signature};

/// Frames of pushed batches that wait before the hello is judged; more stay in the stream.
const MAX_EARLY: usize = 8;
/// The same while a certificate is awaited, which comes behind them: the initiator's window of 8 batches,
/// each of at most one run beyond the first size (512 KiB in parts of 32 KiB), and its end.
const MAX_BEFORE_CERTIFICATE: usize = 8 * 18 + 1;
/// Batches received and not yet durable, beyond which reading pauses.
const MAX_ADMITTING: usize = 3;
/// Times the end of the feed is read again because others wrote meanwhile.
const MAX_CHASES: u32 = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    AwaitHello,
    Judging,
    AwaitCertificate,
    Open,
    Planned,
    Files,
    Bye,
}

#[derive(Debug)]
pub(super) struct Acceptor {
    stage: Stage,
    /// Nothing more comes on the files lane.
    files_ended: bool,
    introduction: Introduction,
    early: VecDeque<Frame>,
    plan: SendPlan,
    /// What was promised in the reply.
    served: BTreeMap<Collection, Since>,
    pushed: u32,
    admitting: usize,
    push_ended: bool,
    peer_offers: bool,
    fetching: bool,
    /// The feed was read to its end while the push went on; the next reading comes after it.
    read_once: bool,
    next_number: u32,
    pace: Pace,
    /// The feed was read to its end, after the last admission.
    drained: bool,
    chases: u32,
    finishing: bool,
    end: Option<PullEndDraft>,
    comparison: Option<Answering>,
    packer: Packer,
    unpacker: Unpacker,
    comparisons: u32,
}

#[derive(Debug)]
struct PullEndDraft {
    statement: Statement,
    signature: Signature,
    sent: bool,
    lines: Vec<EndLine>,
}

impl Acceptor {
    pub(super) fn new() -> Self {
        let introduction = Introduction {
            claimed_time: crate::time::Timestamp::default(),
            subscriptions: Vec::new(),
            ticket_secret: None,
            certificate: None,
            wants_server_certificate: false,
            plan_only: false,
            fetch: Fetch::Nothing,
            files: Vec::new(),
        };
        Self {
            stage: Stage::AwaitHello,
            files_ended: false,
            introduction,
            early: VecDeque::new(),
            plan: SendPlan::default(),
            served: BTreeMap::new(),
            pushed: 0,
            admitting: 0,
            push_ended: false,
            peer_offers: false,
            fetching: false,
            read_once: false,
            next_number: 0,
            pace: Pace::default(),
            drained: false,
            chases: 0,
            finishing: false,
            end: None,
            comparison: None,
            packer: Packer::default(),
            unpacker: Unpacker::default(),
            comparisons: 0,
        }
    }

    pub(super) fn ready(&self) -> bool {
        let early = self.stage != Stage::Judging || self.early.len() < MAX_EARLY;
        early && self.admitting < MAX_ADMITTING && self.comparison.as_ref().is_none_or(Answering::has_room)
    }

    /// Only who has proven its records offers files; its bye may overtake the end of them.
    pub(super) fn takes_files(&self) -> bool {
        matches!(self.stage, Stage::Files | Stage::Bye)
    }

    /// What is still missing of given-up files comes in another session.
    pub(super) fn files_ended(&mut self) {
        self.files_ended = true;
    }

    pub(super) fn said_bye(&self) -> bool {
        self.stage == Stage::Bye
    }

    pub(super) fn frame(&mut self, core: &mut Core, files: &mut Files, frame: Frame) -> Step {
        match (self.stage, frame) {
            (Stage::AwaitHello, Frame::Hello(hello)) => self.hello(core, &hello),
            (Stage::Judging | Stage::AwaitCertificate, frame @ (Frame::Push(_) | Frame::PushEnd(_))) => {
                if self.early.len() >= MAX_BEFORE_CERTIFICATE {
                    return Err(malformed("too many batches before the hello was answered"));
                }
                self.early.push_back(frame);
                Ok(())
            }
            (Stage::AwaitCertificate, Frame::Certificate(certificate)) => {
                self.introduction.certificate = Some(certificate);
                self.judge(core);
                Ok(())
            }
            (Stage::Open, Frame::Push(batch)) if !self.push_ended => self.pushed(core, &batch),
            (Stage::Open, Frame::PushEnd(end)) if !self.push_ended => {
                self.push_ended = true;
                self.peer_offers |= end.files;
                Ok(())
            }
            (Stage::Open, Frame::Compare(question)) => self.comparison(question.collection)?.ask(question),
            (Stage::Open, Frame::Differing(differing)) => self.comparison(differing.collection)?.differing(differing),
            (Stage::Open, Frame::Proof(signature)) => self.proof(core, files, signature),
            (Stage::Open | Stage::Planned | Stage::Files, Frame::Bye) => {
                self.stage = Stage::Bye;
                Ok(())
            }
            _ => Err(malformed("a frame that does not belong here")),
        }
    }

    pub(super) fn answer(&mut self, core: &mut Core, files: &mut Files, then: Then, answer: Answer) -> Step {
        match (then, answer) {
            (Then::Begin, Answer::Verdict(verdict)) => self.judged(core, files, verdict),
            (Then::Admit { number, changes }, Answer::Admitted(admitted)) => {
                self.admitted(core, number, changes, admitted)
            }
            (Then::Outgoing, Answer::Outgoing(outgoing)) => self.outgoing(core, outgoing),
            (Then::States, Answer::States(states)) => self.states(core, states),
            (Then::FilesKnown, Answer::Blobs(list)) => self.send_end(core, files, list.pending_bytes > 0),
            (Then::Heads, Answer::Heads(page)) => self.answering()?.listed(core, page),
            (Then::RunsFor, Answer::Missing(missing)) => self.send_missing(core, missing),
            (Then::Kept, Answer::Done) => Ok(()),
            _ => Err(internal("an answer of another call")),
        }
    }

    /// Does whatever can be done now.
    pub(super) fn pump(&mut self, core: &mut Core, files: &mut Files) {
        match self.stage {
            Stage::Open => {
                self.pump_feed(core);
                if let Some(Err(refusal)) = self.comparison.as_mut().map(|comparison| comparison.pump(core)) {
                    core.refuse(refusal);
                }
                self.pump_end(core);
            }
            Stage::Files => files.pump(core),
            // Bytes of files that were given up may arrive after the word on the other lane.
            Stage::Bye if core.is_quiet() && (files.is_done() || self.files_ended) => core.close(CloseReason::Done),
            _ => {}
        }
    }

    fn hello(&mut self, core: &mut Core, signed: &SignedHello) -> Step {
        let bound = Hello::bound(&core.config.exporter, &signed.body);
        if verify(&core.config.peer, Purpose::Hello, &bound, &signed.signature).is_err() {
            let text = "the hello is not signed by the key of this connection; is something between the two sides?";
            return Err(refusal(RefusalCode::NotBound, text));
        }
        let hello = Hello::decode(&signed.body).map_err(|error| malformed(error.to_string()))?;
        if hello.version != VERSION {
            let text = format!(
                "this side speaks version {VERSION} of the protocol, not {}; update the older program",
                hello.version
            );
            return Err(refusal(RefusalCode::Version, text));
        }
        if hello.server.is_some_and(|server| server != core.config.key.public()) {
            return Err(refusal(RefusalCode::WrongServer, "this is another server than the one that was meant"));
        }
        if !hello.lines.is_sorted_by(|a, b| a.collection < b.collection) {
            return Err(malformed("the collections of the hello are not sorted"));
        }
        if hello.files.as_ref().is_some_and(|files| files.len() > MAX_ASKED_FILES) {
            return Err(malformed("too many files are asked for by name"));
        }
        let subscriptions = hello.lines.iter().map(|line| CollectionState {
            collection: line.collection,
            digest: line.digest,
            count: line.count,
            held: line.held,
            cursor: line.cursor,
        });
        self.introduction = Introduction {
            claimed_time: hello.time,
            subscriptions: subscriptions.collect(),
            ticket_secret: hello.ticket_secret,
            certificate: None,
            wants_server_certificate: hello.wants_server_certificate.unwrap_or(false),
            plan_only: hello.plan_only.unwrap_or(false),
            fetch: hello.fetch.unwrap_or_default(),
            files: hello.files.unwrap_or_default(),
        };
        core.summary.skew_ms = Some(core.now.millis().saturating_sub(hello.time.millis()));
        self.judge(core);
        Ok(())
    }

    fn judge(&mut self, core: &mut Core) {
        self.stage = Stage::Judging;
        core.call(Call::Begin(Arc::new(self.introduction.clone())), Then::Begin);
    }

    fn judged(&mut self, core: &mut Core, files: &mut Files, verdict: Verdict) -> Step {
        match verdict {
            Verdict::Refused(refusal) => Err(refusal),
            Verdict::NeedCertificate if self.introduction.certificate.is_none() => {
                self.stage = Stage::AwaitCertificate;
                core.send(&Frame::AskCertificate);
                Ok(())
            }
            Verdict::NeedCertificate => {
                Err(refusal(RefusalCode::UnknownMember, "this device is not a member here; enrol it with a new ticket"))
            }
            Verdict::Welcome(plan) => self.welcome(core, files, plan),
        }
    }

    fn welcome(&mut self, core: &mut Core, files: &mut Files, plan: PeerPlan) -> Step {
        let skew_ms = core.summary.skew_ms.unwrap_or_default();
        core.event(Event::Welcomed { enrolled: plan.certificate.is_some(), skew_ms });
        let feeds = plan.feeds.iter().map(|(collection, since)| FeedLine {
            collection: *collection,
            mode: match since {
                Since::Start => FeedMode::Start,
                Since::After(_) => FeedMode::Cursor,
                Since::WithoutRuns => FeedMode::Void,
            },
        });
        core.send(&Frame::HelloReply(HelloReply {
            time: core.now,
            feeds: feeds.collect(),
            limits: Some(plan.limits).filter(|limits| *limits != super::replica::Limits::default()),
            certificate: plan.certificate,
            server_certificate: plan.server_certificate,
            pending: self.introduction.plan_only.then_some(plan.pending),
        }));
        self.served.clone_from(&plan.feeds);
        self.plan.feeds = plan.feeds;
        let originals = self.introduction.fetch == Fetch::Everything || !self.introduction.files.is_empty();
        files.set_limits(plan.limits, originals);
        self.stage = if self.introduction.plan_only { Stage::Planned } else { Stage::Open };
        while let Some(frame) = self.early.pop_front() {
            self.frame(core, files, frame)?;
        }
        Ok(())
    }

    fn pushed(&mut self, core: &mut Core, part: &PackedBatch) -> Step {
        let number = part.number;
        if number != self.pushed {
            return Err(malformed("batches out of order"));
        }
        let batch = self.unpacker.part(&part.packed, part.last).map_err(|error| malformed(error.to_string()))?;
        let Some(batch) = batch else { return Ok(()) };
        self.pushed += 1;
        if !batch.cursors.is_empty() {
            return Err(malformed("a push moves no cursors"));
        }
        self.admitting += 1;
        self.drained = false;
        let changes = batch.items.len();
        core.call(Call::Admit(Arc::new(batch)), Then::Admit { number, changes: u64::try_from(changes).unwrap_or(0) });
        Ok(())
    }

    /// The batch is durable: now, and not before, the receipt leaves.
    fn admitted(&mut self, core: &mut Core, number: u32, items: u64, admitted: Admitted) -> Step {
        self.admitting = self.admitting.saturating_sub(1);
        if u64::try_from(admitted.outcomes.len()).ok() != Some(items) {
            return Err(internal("an admission of another batch"));
        }
        core.summary.received.changes += admitted.new_changes;
        core.event(Event::Progress { phase: Phase::Push, done: core.summary.received.changes, total: None });
        let mut exceptions = Vec::new();
        for (index, outcome) in (0_u32..).zip(admitted.outcomes) {
            match &outcome {
                Outcome::Stored { in_ledger: true } => continue,
                Outcome::Held { .. } => core.summary.held += 1,
                Outcome::Waiting => core.summary.waiting += 1,
                Outcome::Refused { .. } => core.summary.refused_items += 1,
                Outcome::Stored { .. } => {}
            }
            exceptions.push((index, outcome));
        }
        let (receipts, new_changes) = (admitted.receipts, admitted.new_changes);
        core.send(&Frame::Ack(Ack { number, receipts, exceptions, new_changes }));
        Ok(())
    }

    /// Reads the feed while the push goes on, and once more after it.
    fn pump_feed(&mut self, core: &mut Core) {
        let pushing = self.read_once && !(self.push_ended && self.admitting == 0);
        let busy = self.fetching || self.finishing || self.comparing() || !core.lane_free(Lane::Records);
        if self.drained || busy || pushing {
            return;
        }
        self.fetching = true;
        let plan = Arc::new(self.plan.clone());
        let max_bytes = self.pace.bytes(core.config.batch_bytes);
        core.call(Call::Outgoing { plan, max_bytes }, Then::Outgoing);
    }

    fn outgoing(&mut self, core: &mut Core, outgoing: Outgoing) -> Step {
        self.fetching = false;
        self.plan = outgoing.next;
        // A push that came while this was read makes one more reading necessary.
        self.drained = !outgoing.more && self.admitting == 0;
        self.read_once |= !outgoing.more;
        // A long feed deserves a large window; how long it is, nobody has counted.
        let expected = if outgoing.more { u64::MAX } else { 0 };
        self.send_batch(core, &outgoing.batch, expected)
    }

    fn send_batch(&mut self, core: &mut Core, batch: &Batch, expected: u64) -> Step {
        if batch.items.is_empty() && batch.cursors.is_empty() {
            return Ok(());
        }
        let changes = batch.items.iter().map(|item| match item {
            FeedItem::Run(run) => run.changes.len(),
            _ => 0,
        });
        core.summary.sent.changes += u64::try_from(changes.sum::<usize>()).unwrap_or(u64::MAX);
        core.event(Event::Progress { phase: Phase::Pull, done: core.summary.sent.changes, total: None });
        let number = self.next_number;
        self.next_number += 1;
        let packed = self.packer.pack(batch, expected).map_err(|error| internal(error.to_string()))?;
        PackedBatch::parts(number, &packed).for_each(|part| core.send(&Frame::Pull(part)));
        self.pace.grow(core.config.batch_bytes);
        Ok(())
    }

    fn pump_end(&mut self, core: &mut Core) {
        let ready = self.push_ended && self.drained && self.admitting == 0 && !self.fetching && !self.comparing();
        if ready && !self.finishing && self.end.is_none() {
            self.finishing = true;
            core.call(Call::States(self.served.keys().copied().collect()), Then::States);
        }
    }

    /// The feed must have been sent up to exactly this state, or the digests could not agree.
    fn states(&mut self, core: &mut Core, states: Vec<CollectionState>) -> Step {
        let moved = states.iter().any(|state| {
            let seq = state.cursor.map_or(0, |cursor| cursor.seq);
            match self.plan.feeds.get(&state.collection) {
                Some(Since::After(cursor)) => cursor.seq != seq,
                Some(Since::Start) => seq != 0,
                Some(Since::WithoutRuns) | None => false,
            }
        });
        if moved && self.chases < MAX_CHASES {
            self.chases += 1;
            (self.finishing, self.drained) = (false, false);
            return Ok(());
        }
        self.draft_end(core, &states)?;
        let query = super::replica::BlobQuery {
            max: 0,
            originals: self.introduction.fetch == Fetch::Everything || !self.introduction.files.is_empty(),
            exclude: std::collections::BTreeSet::new(),
        };
        if self.introduction.fetch == Fetch::Nothing && self.introduction.files.is_empty() {
            return self.send_end_now(core, false);
        }
        core.call(Call::BlobsToSend(query), Then::FilesKnown);
        Ok(())
    }

    fn draft_end(&mut self, core: &mut Core, states: &[CollectionState]) -> Step {
        let asked: BTreeMap<_, _> =
            self.introduction.subscriptions.iter().map(|line| (line.collection, line)).collect();
        let mut epoch = None;
        let (mut lines, mut ends) = (Vec::new(), Vec::new());
        for state in states {
            let cursor = state.cursor.ok_or_else(|| internal("a server's state has no cursor"))?;
            if *epoch.get_or_insert(cursor.epoch) != cursor.epoch {
                return Err(internal("two epochs in one database"));
            }
            let before = asked.get(&state.collection);
            let same_place = before.and_then(|line| line.cursor) == Some(cursor);
            let (collection, count, held, seq) = (state.collection, state.count, state.held, cursor.seq);
            lines.push(StatementLine { collection, digest: state.digest, count, held, seq });
            let digest = Some(state.digest).filter(|digest| before.map(|line| line.digest) != Some(*digest));
            ends.push(EndLine { collection, seq, count, held, digest, chain: (!same_place).then_some(cursor.chain) });
        }
        core.summary.digests = lines.iter().map(|line| (line.collection, line.digest)).collect();
        let epoch = epoch.ok_or_else(|| refusal(RefusalCode::NotAllowed, "no collection to serve"))?;
        let statement = Statement {
            acceptor: core.config.key.public(),
            initiator: core.config.peer,
            session: core.config.session_id(),
            epoch,
            at: core.now,
            lines,
        };
        let signature = statement.sign(&core.config.key);
        self.end = Some(PullEndDraft { statement, signature, sent: false, lines: ends });
        Ok(())
    }

    fn send_end(&mut self, core: &mut Core, files: &mut Files, offers: bool) -> Step {
        if offers {
            files.will_send();
        }
        self.send_end_now(core, offers)
    }

    fn send_end_now(&mut self, core: &mut Core, files: bool) -> Step {
        let end = self.end.as_mut().ok_or_else(|| internal("an end without a draft"))?;
        end.sent = true;
        self.finishing = false;
        let lines = end.lines.clone();
        let (at, epoch, signature) = (end.statement.at, end.statement.epoch, end.signature);
        core.send(&Frame::PullEnd(PullEnd { at, epoch, lines, signature, files }));
        Ok(())
    }

    fn proof(&mut self, core: &mut Core, files: &mut Files, signature: Option<Signature>) -> Step {
        let draft = self.end.take().filter(|end| end.sent).ok_or_else(|| malformed("a proof of nothing"))?;
        if let Some(by_initiator) = signature {
            let verified = draft.statement.verify(&core.config.peer, &by_initiator);
            verified.map_err(|error| malformed(format!("the proof: {error}")))?;
            core.summary.outcome = SyncOutcome::Converged;
            core.summary.statement = Some(draft.statement.clone());
            let signed = SignedStatement { statement: draft.statement, by_acceptor: draft.signature, by_initiator };
            core.call(Call::KeepStatement(Arc::new(signed)), Then::Kept);
        } else {
            let text = "the digests still differ after a comparison";
            core.summary.why = Some(Refusal { code: RefusalCode::Internal, text: text.into() });
        }
        self.stage = Stage::Files;
        files.expect(self.peer_offers);
        files.start_if_promised(core);
        Ok(())
    }

    fn comparing(&self) -> bool {
        self.comparison.as_ref().is_some_and(Answering::is_open)
    }

    /// After a comparison both sides push and pull once more, and state again.
    fn reopen(&mut self) {
        self.push_ended = false;
        self.drained = false;
        self.end = None;
    }

    /// The comparison a frame belongs to: the one under way, or another one when there may be one.
    fn comparison(&mut self, collection: Collection) -> Result<&mut Answering, Refusal> {
        if self.end.as_ref().is_some_and(|end| end.sent) && !self.comparing() {
            self.comparison = None;
            self.comparisons += 1;
            // What is wanted of the first collection may be pushed before the last one is compared.
            self.reopen();
        }
        let open = (1..=MAX_COMPARISONS).contains(&self.comparisons);
        if !open || !self.served.contains_key(&collection) {
            return Err(malformed("a comparison of what is not served, or not now"));
        }
        Ok(self.comparison.get_or_insert_default())
    }

    fn answering(&mut self) -> Result<&mut Answering, Refusal> {
        self.comparison.as_mut().ok_or_else(|| internal("an answer for no comparison"))
    }

    /// Sends what the initiator lacks, and asks for what is missing here.
    fn send_missing(&mut self, core: &mut Core, missing: Vec<Missing>) -> Step {
        let runs = self.answering()?.fetched(core, missing);
        for batch in batches(runs, self.pace.bytes(core.config.batch_bytes)) {
            self.send_batch(core, &batch, u64::MAX)?;
        }
        Ok(())
    }
}
