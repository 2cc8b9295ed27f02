//! A small language for outlets in tests: `Outlet::new().survey("2021-06-01").approve("2021-06-10")`.
//! It writes the same entries as the command line, without documents or signatures. Compiled for
//! tests and with the feature `testing` only.

use serde_json::{Value, json};

use super::{Author, History, MilestoneSet, OutletInput, Profile, Projection, Reference, profile_of, project_all};
use crate::doc::{Entry, Origin};
use crate::identity::{Level, Role};
use crate::ids::{Actor, BlobHash, ChangeHash, DocKey, DocKind, EntryId, OutletId, PersonId, PublicKey};
use crate::time::{Day, Timestamp};

/// People of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Who {
    /// An inspector.
    Inspector = 1,
    /// Another one.
    Inspector2 = 2,
    /// A county supervisor.
    County = 3,
    /// Another one.
    County2 = 4,
    /// A city supervisor.
    City = 5,
    /// Another one.
    City2 = 6,
    /// An admin.
    Admin = 7,
    /// Somebody whom the roster does not know.
    Stranger = 99,
}

impl Who {
    fn key(self) -> PublicKey {
        PublicKey([self as u8; 32])
    }
}

/// The roster of the tests.
#[must_use]
pub fn author(key: &PublicKey) -> Option<Author> {
    let (name, role, level) = match key.0[0] {
        1 => ("Inspector", Role::Inspector, None),
        2 => ("Inspector 2", Role::Inspector, None),
        3 => ("County", Role::Supervisor, Some(Level::County)),
        4 => ("County 2", Role::Supervisor, Some(Level::County)),
        5 => ("City", Role::Supervisor, Some(Level::City)),
        6 => ("City 2", Role::Supervisor, Some(Level::City)),
        7 => ("Admin", Role::Admin, None),
        _ => return None,
    };
    Some(Author { person: PersonId([key.0[0]; 16]), name: name.to_owned(), role, level, witnessed: false })
}

/// The shipped reference data, parsed once.
pub fn reference() -> &'static Reference {
    static SHIPPED: std::sync::OnceLock<Reference> = std::sync::OnceLock::new();
    SHIPPED.get_or_init(Reference::embedded)
}

/// A day from text.
///
/// # Panics
/// When the text is not a day: a mistake in the test.
#[must_use]
pub fn day(text: &str) -> Day {
    text.parse().expect("tests write days as YYYY-MM-DD")
}

fn noon(on: Day) -> Timestamp {
    Timestamp::from_millis(on.epoch_days() * 86_400_000 + 4 * 3_600_000)
}

/// One document under construction.
#[derive(Debug, Clone, Default)]
struct Draft {
    entries: Vec<Entry>,
    changes: Vec<(ChangeHash, Vec<ChangeHash>)>,
    heads: Vec<ChangeHash>,
}

/// An outlet under construction. Each act is one change that has seen all before it, unless
/// [`Outlet::unaware`] says otherwise; it is received on its day, unless [`Outlet::received`] says
/// otherwise.
#[derive(Debug, Clone)]
pub struct Outlet {
    key: DocKey,
    field: Draft,
    case: Draft,
    number: u32,
    who: Option<Who>,
    received: Option<Option<Day>>,
    unaware: Option<Vec<ChangeHash>>,
    overrules: Vec<EntryId>,
    /// Name of the last entry written.
    pub last: EntryId,
}

impl Default for Outlet {
    fn default() -> Self {
        Self::new()
    }
}

impl Outlet {
    /// An outlet with position, type, 入河方式, waterbody; created 2021-01-01, not surveyed.
    #[must_use]
    pub fn new() -> Self {
        Self::numbered(1).facts(&[
            ("state", json!("outlet")),
            ("location", json!({"lon": 106.75, "lat": 31.86, "raw_lon": 106.75, "raw_lat": 31.86, "datum": "wgs84"})),
            ("outlet_type", json!("industrial_enterprise")),
            ("entry_mode", json!("pipe")),
            ("waterbody", json!("巴河")),
            ("county", json!("511902")),
            ("management_unit", json!("511902")),
            ("name", json!("测试排污口")),
        ])
    }

    /// A suspected point: no more than a position.
    #[must_use]
    pub fn suspected() -> Self {
        Self::numbered(1).facts(&[
            ("state", json!("suspected")),
            ("location", json!({"lon": 106.7, "lat": 31.8, "raw_lon": 106.7, "raw_lat": 31.8, "datum": "wgs84"})),
        ])
    }

    /// A record with nothing in it; `number` makes its key.
    #[must_use]
    pub fn numbered(number: u8) -> Self {
        let id = OutletId::new(Timestamp::from_millis(1_600_000_000_000), [number; 10]);
        let collection = crate::ids::Collection::from_code(511_902).expect("six digits");
        Self {
            key: DocKey { kind: DocKind::Field, collection, id },
            field: Draft::default(),
            case: Draft::default(),
            number: u32::from(number) << 16,
            who: None,
            received: None,
            unaware: None,
            overrules: Vec::new(),
            last: EntryId([0; 16]),
        }
    }

    /// The same outlet under another key.
    #[must_use]
    pub fn keyed(mut self, number: u8) -> Self {
        self.key = Self::numbered(number).key;
        self
    }

    /// Key of the field record.
    #[must_use]
    pub fn key(&self) -> DocKey {
        self.key
    }

    /// The next acts are of this person.
    #[must_use]
    pub fn by(mut self, who: Who) -> Self {
        self.who = Some(who);
        self
    }

    /// The next acts are by whoever does such things.
    #[must_use]
    pub fn by_default(mut self) -> Self {
        self.who = None;
        self
    }

    /// The next acts are received on this day.
    #[must_use]
    pub fn received(mut self, on: &str) -> Self {
        self.received = Some(Some(day(on)));
        self
    }

    /// The next acts never reached the server.
    #[must_use]
    pub fn unreceived(mut self) -> Self {
        self.received = Some(None);
        self
    }

    /// The next act overrules this entry.
    #[must_use]
    pub fn overruling(mut self, entry: EntryId) -> Self {
        self.overrules.push(entry);
        self
    }

    /// The next act in the case file has not seen the last one.
    #[must_use]
    pub fn unaware(mut self) -> Self {
        let last = self.case.changes.last().expect("there is an act to be unaware of");
        self.unaware = Some(last.1.clone());
        self
    }

    /// Writes one field entry.
    #[must_use]
    pub fn field(mut self, on: Day, entry: Value) -> Self {
        let at = noon(on).millis();
        let mut entry = entry;
        entry["at"] = json!(at);
        self.write(DocKind::Field, on, &entry, Who::Inspector);
        self
    }

    /// Writes one case entry.
    #[must_use]
    pub fn case(mut self, on: Day, default: Who, entry: Value) -> Self {
        let mut entry = entry;
        entry["at"] = json!(noon(on).millis());
        if entry.get("on").is_none() {
            entry["on"] = json!(on);
        }
        let overrules = std::mem::take(&mut self.overrules);
        if !overrules.is_empty() {
            entry["overrules"] = json!(overrules);
        }
        self.write(DocKind::Case, on, &entry, default);
        self
    }

    fn write(&mut self, kind: DocKind, on: Day, entry: &Value, default: Who) {
        self.number += 1;
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&self.number.wrapping_mul(2_654_435_761).to_be_bytes());
        hash[4..8].copy_from_slice(&self.number.to_be_bytes());
        let change = ChangeHash(hash);
        let text = entry.to_string();
        let origin = Origin {
            change,
            actor: Actor::new(self.who.unwrap_or(default).key(), [0; 4]),
            seq: u64::from(self.number),
            device_time: noon(on),
            received_at: self.received.unwrap_or(Some(on)).map(noon),
        };
        let unaware = self.unaware.take();
        let draft = if kind == DocKind::Case { &mut self.case } else { &mut self.field };
        let deps = unaware.unwrap_or_else(|| draft.heads.clone());
        draft.heads.retain(|head| !deps.contains(head));
        draft.heads.push(change);
        draft.changes.push((change, deps));
        self.last = Entry::id_of(&text);
        draft.entries.push(Entry { id: self.last, json: text.into(), origin });
    }

    /// Asserts facts, as of 2021-01-01.
    #[must_use]
    pub fn facts(mut self, facts: &[(&str, Value)]) -> Self {
        for (name, value) in facts {
            self = self.fact(name, value.clone());
        }
        self
    }

    /// Asserts a fact, replacing what is current.
    #[must_use]
    pub fn fact(self, name: &str, value: Value) -> Self {
        let replaces: Vec<EntryId> =
            crate::doc::facts(&self.field.entries).get(name).into_iter().flatten().map(|own| own.entry).collect();
        self.field(day("2021-01-01"), json!({"type": "fact", "field": name, "value": value, "replaces": replaces}))
    }

    /// Asserts a fact with basis and reason.
    #[must_use]
    pub fn fact_with(self, name: &str, value: Value, extra: &[(&str, &str)]) -> Self {
        let mut entry = json!({"type": "fact", "field": name, "value": value});
        for (key, value) in extra {
            entry[*key] = json!(value);
        }
        self.field(day("2021-01-01"), entry)
    }

    /// Asserts a fact without having seen what is there.
    #[must_use]
    pub fn rival_fact(self, name: &str, value: Value) -> Self {
        self.by(Who::Inspector2)
            .field(day("2021-01-02"), json!({"type": "fact", "field": name, "value": value}))
            .by_default()
    }

    /// A photo taken on a day, in a slot.
    #[must_use]
    pub fn photo(self, on: &str, slot: &str) -> Self {
        let hash = self.photo_hash(slot, on);
        self.field(
            day(on),
            json!({"type": "photo", "sha256": hash, "bytes": 1, "mime": "image/jpeg", "slot": slot,
                   "taken_at": noon(day(on)).millis()}),
        )
    }

    /// Name of a photo of [`Outlet::photo`].
    #[must_use]
    pub fn photo_hash(&self, slot: &str, on: &str) -> BlobHash {
        BlobHash(*blake3::hash(format!("{slot}{on}").as_bytes()).as_bytes())
    }

    /// A complete visit with a near photo and the surroundings.
    #[must_use]
    pub fn survey(self, on: &str) -> Self {
        self.visit(on, json!({})).photo(on, "near").photo(on, "far")
    }

    /// A visit with answers over the usual ones.
    #[must_use]
    pub fn visit(self, on: &str, answers: Value) -> Self {
        let mut entry = json!({"type": "survey", "on": on, "outcome": "complete", "rain_48h": false,
                               "discharge_state": "flowing", "pattern": "continuous"});
        merge(&mut entry, answers);
        self.field(day(on), entry)
    }

    /// A quick measurement.
    #[must_use]
    pub fn sample(self, on: &str) -> Self {
        self.sample_with(on, json!({"kind": "quick"}))
    }

    /// A sample with fields over the usual ones.
    #[must_use]
    pub fn sample_with(self, on: &str, fields: Value) -> Self {
        let mut entry = json!({"type": "sample", "sampled_on": on, "persons": ["甲", "乙"],
                               "results": [{"parameter": "cod", "value": 40.0, "unit": "mg/L"}]});
        merge(&mut entry, fields);
        self.field(day(on), entry)
    }

    /// A trace concluded with source and party.
    #[must_use]
    pub fn trace(self, on: &str) -> Self {
        self.trace_with(on, json!({}))
    }

    /// A trace with fields over the usual ones.
    #[must_use]
    pub fn trace_with(self, on: &str, fields: Value) -> Self {
        let mut entry = json!({"type": "trace", "conclusion": "concluded", "concluded_on": on, "sources": ["某厂"],
                               "primary_party": {"name": "某某食品有限公司"}, "competent_department": "生态环境局"});
        merge(&mut entry, fields);
        self.field(day(on), entry)
    }

    /// Hands the record in.
    #[must_use]
    pub fn submit(self, on: &str) -> Self {
        self.field(day(on), json!({"type": "submit", "on": on}))
    }

    /// Reviews the record, pinned to its heads.
    #[must_use]
    pub fn review(self, on: &str, action: &str, sections: &[&str]) -> Self {
        let heads = self.field.heads.clone();
        self.case(
            day(on),
            Who::County,
            json!({"type": "review", "action": action, "sections": sections, "field_heads": heads}),
        )
    }

    /// Approves all of it.
    #[must_use]
    pub fn approve(self, on: &str) -> Self {
        self.review(on, "approve", &[])
    }

    /// Decides the class at city level, with its document.
    #[must_use]
    pub fn class(self, on: &str, class: &str) -> Self {
        let document = json!({"number": format!("巴市环〔{}〕1号", &on[..4]), "dated": on});
        let mut entry = json!({"type": "classify", "step": "decide", "classification": class, "document": document});
        if class == "ban" {
            entry["government_document"] = document;
        }
        self.case(day(on), Who::City, entry)
    }

    /// Approves a plan with these measures.
    #[must_use]
    pub fn plan(self, on: &str, measures: &[&str]) -> Self {
        self.case(day(on), Who::City, json!({"type": "plan", "step": "approve", "version": 1, "measures": measures}))
    }

    /// Reports completion.
    #[must_use]
    pub fn complete(self, on: &str, measures: &[&str], items: &[&str]) -> Self {
        self.complete_with(on, json!({"measures": measures, "items": items}))
    }

    /// Reports completion with any fields.
    #[must_use]
    pub fn complete_with(self, on: &str, fields: Value) -> Self {
        let mut entry = json!({"type": "complete", "completed_on": on});
        merge(&mut entry, fields);
        self.case(day(on), Who::County2, entry)
    }

    /// A re-check in dry weather without discharge.
    #[must_use]
    pub fn recheck(self, on: &str) -> Self {
        self.recheck_with(on, json!({"discharge": false, "dry_weather": true}))
    }

    /// A re-check.
    #[must_use]
    pub fn recheck_with(self, on: &str, fields: Value) -> Self {
        let mut entry = json!({"type": "recheck", "on": on});
        merge(&mut entry, fields);
        self.field(day(on), entry)
    }

    /// The county's first check, passed.
    #[must_use]
    pub fn county_check(self, on: &str) -> Self {
        self.case(day(on), Who::County, json!({"type": "accept", "level": "county", "passed": true}))
    }

    /// The city's acceptance.
    #[must_use]
    pub fn city_accepts(self, on: &str, passed: bool) -> Self {
        self.case(day(on), Who::City, json!({"type": "accept", "level": "city", "passed": passed}))
    }

    /// First check and acceptance.
    #[must_use]
    pub fn accept(self, on: &str) -> Self {
        self.county_check(on).city_accepts(on, true)
    }

    /// Re-opens it.
    #[must_use]
    pub fn reopen(self, on: &str) -> Self {
        self.case(day(on), Who::County, json!({"type": "reopen", "observed_on": on, "observation": "复发"}))
    }

    /// Name, code and sign.
    #[must_use]
    pub fn identity(self, on: &str) -> Self {
        self.name(on).code(on, "FA-511902-0001-GY-00").sign(on)
    }

    /// Approves a name.
    #[must_use]
    pub fn name(self, on: &str) -> Self {
        self.case(day(on), Who::County, json!({"type": "name", "name": "巴中市巴州区某某食品有限公司工业企业排污口"}))
    }

    /// Records a national code.
    #[must_use]
    pub fn code(self, on: &str, code: &str) -> Self {
        self.case(
            day(on),
            Who::City,
            json!({"type": "code", "system": "national", "code": code, "source": "platform", "issued_on": on}),
        )
    }

    /// A sign erected, with its photo.
    #[must_use]
    pub fn sign(self, on: &str) -> Self {
        let hash = self.photo_hash("sign", on);
        self.photo(on, "sign").case(
            day(on),
            Who::County,
            json!({"type": "sign", "state": "erected", "observed_on": on, "photos": [hash]}),
        )
    }

    /// Surveyed, sampled, traced and approved.
    #[must_use]
    pub fn investigated(self, on: &str) -> Self {
        self.survey(on).sample(on).trace(on).submit(on).approve(on)
    }

    /// 规范: planned, completed and accepted.
    #[must_use]
    pub fn regulated(self, on: &str) -> Self {
        self.class(on, "regulate")
            .plan(on, &["separation"])
            .complete(on, &["separation"], &["archive", "sampling_point"])
            .accept(on)
    }

    /// 取缔: closed and accepted.
    #[must_use]
    pub fn banned(self, on: &str) -> Self {
        self.class(on, "ban")
            .complete(on, &[], &["mouth_sealed", "source_stopped"])
            .photo(on, "after")
            .recheck(on)
            .accept(on)
    }

    /// 清理合并: connected to a sewer and accepted.
    #[must_use]
    pub fn merged(self, on: &str) -> Self {
        self.class(on, "merge")
            .complete_with(on, json!({"items": ["mouth_sealed", "connected"], "merged_into": {"kind": "sewer", "name": "城东污水管网"}}))
            .photo(on, "after")
            .recheck(on)
            .accept(on)
    }

    /// 无需整治, with its archive.
    #[must_use]
    pub fn none_needed(self, on: &str) -> Self {
        self.class(on, "none_needed").complete(on, &[], &["archive"])
    }

    /// Entries of the field record.
    #[must_use]
    pub fn field_entries(&self) -> &[Entry] {
        &self.field.entries
    }

    /// Heads of the field record.
    #[must_use]
    pub fn field_heads(&self) -> Vec<ChangeHash> {
        self.field.heads.clone()
    }

    /// Reads it with both histories.
    pub fn with<T>(&self, read: impl FnOnce(&OutletInput<'_>) -> T) -> T {
        let field_history = History::new(self.field.changes.iter().cloned());
        let case_history = History::new(self.case.changes.iter().cloned());
        read(&OutletInput {
            key: self.key,
            field: &self.field.entries,
            case: &self.case.entries,
            field_history: &field_history,
            case_history: &case_history,
            authors: &author,
        })
    }

    /// The same outlet with its entries in another order.
    #[must_use]
    pub fn reordered(&self, order: impl Fn(&mut Vec<Entry>)) -> Self {
        let mut other = self.clone();
        order(&mut other.field.entries);
        order(&mut other.case.entries);
        other
    }

    /// Its projection of today.
    #[must_use]
    pub fn project(&self) -> Projection {
        self.with(|input| project_all(input, reference(), None, None))
    }

    /// Its projection of a day.
    #[must_use]
    pub fn project_at(&self, as_of: &str) -> Projection {
        self.with(|input| project_all(input, reference(), Some(day(as_of)), None))
    }

    /// Its profile as known now.
    #[must_use]
    pub fn profile(&self, set: &MilestoneSet) -> Profile {
        self.with(|input| profile_of(input, reference(), set, None))
    }

    /// Its profile as known on a day.
    #[must_use]
    pub fn profile_known(&self, set: &MilestoneSet, on: &str) -> Profile {
        self.with(|input| profile_of(input, reference(), set, Some(day(on))))
    }
}

fn merge(entry: &mut Value, over: Value) {
    if let (Value::Object(entry), Value::Object(over)) = (entry, over) {
        entry.extend(over);
    }
}
