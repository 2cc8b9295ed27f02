//! What a hostile member can do: changes and entries under a valid signature.

use outlet_core::admission::{apply, check_run};
use outlet_core::doc::{Document, Entry, EntryText as _};
use outlet_core::domain::field::FieldEntry;
use outlet_core::export::{Style, ledger_csv, ledger_geojson, parties_csv, problems_csv};
use outlet_core::identity::SignedRun;
use outlet_core::ids::DocKind;
use outlet_core::ledger::testing::{Outlet, Who, day, reference};
use outlet_core::ledger::{self, explain};
use outlet_core::store::summarise;
use serde_json::Value;

use crate::decoders::rechecked;
use crate::{Grant, Target, seeds};

pub(crate) fn targets() -> Vec<Target> {
    vec![
        // An open document takes tens of kilobytes by itself, and it is opened, saved and loaded.
        Target { name: "admit", seeds: changes, decode: admit, grant: Grant { fixed: 16 << 20, per_byte: 1024 } },
        Target {
            name: "document",
            seeds: documents,
            decode: document,
            grant: Grant { fixed: 16 << 20, per_byte: 1024 },
        },
        Target {
            name: "field_entry",
            seeds: field_entries,
            decode: field_entry,
            grant: Grant { fixed: 4 << 20, per_byte: 1024 },
        },
        Target {
            name: "case_entry",
            seeds: case_entries,
            decode: case_entry,
            grant: Grant { fixed: 4 << 20, per_byte: 1024 },
        },
        Target {
            name: "reference_entry",
            seeds: reference_entries,
            decode: reference_entry,
            grant: Grant { fixed: 16 << 20, per_byte: 1024 },
        },
    ]
}

/// The first byte says after how many of the honest changes the hostile one comes.
fn changes() -> Vec<Vec<u8>> {
    let honest = seeds::changes().1;
    let mut all: Vec<Vec<u8>> =
        honest.iter().enumerate().map(|(index, change)| [&[index as u8][..], &change.raw].concat()).collect();
    all.extend(seeds::fixtures("hostile").into_iter().map(|raw| [&[0][..], &raw].concat()));
    all
}

/// Whatever is let in, the document still saves, loads, and says the same.
fn admit(bytes: &[u8]) {
    let Some((&after, raw)) = bytes.split_first() else { return };
    let honest = seeds::changes().1;
    let after = usize::from(after) % honest.len();
    let roster = seeds::roster();
    let sign = |changes| SignedRun::sign(&seeds::member(), seeds::doc(DocKind::Field), changes);
    let mut base = None;
    if after > 0 {
        let raws = honest[..after].iter().map(|change| change.raw.clone()).collect();
        let run = check_run(&sign(raws).expect("a run with changes"), &roster).expect("an honest run");
        base = Some(apply(None, DocKind::Field, &[run]).expect("an honest run").document);
    }
    let before = base.as_ref().map(|document: &Document| (document.save(), document.heads()));
    let Some(run) = sign(vec![rechecked(raw)]) else { return };
    let Ok(checked) = check_run(&run, &roster) else { return };
    if let Ok(applied) = apply(base.as_ref(), DocKind::Field, &[checked]) {
        let loaded = Document::load(DocKind::Field, &applied.saved).expect("what was admitted loads again");
        assert_eq!(loaded.heads(), applied.heads);
        assert_eq!(loaded.entries(), applied.document.entries());
    }
    assert_eq!(base.map(|document| (document.save(), document.heads())), before, "the document given is not touched");
}

fn documents() -> Vec<Vec<u8>> {
    vec![seeds::changes().0.save(), Document::new(DocKind::Field).save()]
}

/// A saved document is a cache of our own; bytes of a damaged disk are an error all the same.
fn document(bytes: &[u8]) {
    if let Ok(document) = Document::load(DocKind::Field, bytes) {
        let _ = (document.entries(), document.registers(), document.history());
    }
}

fn lines(outlet: &Outlet, case: bool) -> Vec<Vec<u8>> {
    let entries = outlet.with(|input| if case { input.case.to_vec() } else { input.field.to_vec() });
    entries.iter().map(|entry| entry.json.as_bytes().to_vec()).collect()
}

fn rich() -> Outlet {
    Outlet::new()
        .investigated("2021-06-01")
        .photo("2021-06-01", "near")
        .sample("2021-06-02")
        .trace("2021-06-03")
        .submit("2021-06-04")
        .approve("2021-06-05")
        .class("2021-09-01", "regulate")
        .plan("2021-10-01", &["regulate"])
        .complete("2022-06-01", &["regulate"], &["archive"])
        .county_check("2022-06-05")
        .accept("2022-06-10")
        .recheck("2022-06-11")
        .identity("2022-07-01")
        .reopen("2022-08-01")
}

fn field_entries() -> Vec<Vec<u8>> {
    lines(&rich(), false)
}

fn case_entries() -> Vec<Vec<u8>> {
    lines(&rich(), true)
}

/// Entries of a member are JSON objects and nothing else is promised of them: whatever they say, the
/// ledger has a row, and every report of it can be made.
fn field_entry(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        // What serde's way reads, the short way reads alike. It reads more where serde's stumbles over a member that
        // nobody knows: a number beyond all bounds in the kept input.
        if let Ok(usual) = serde_json::from_str::<FieldEntry>(text) {
            assert_eq!(FieldEntry::read(text).ok(), Some(usual));
        }
    }
    let Ok(value @ Value::Object(_)) = serde_json::from_slice::<Value>(bytes) else { return };
    reports(&rich().by(Who::Inspector).field(day("2022-09-01"), value.clone()));
    reports(&Outlet::suspected().field(day("2021-02-01"), value));
}

fn case_entry(bytes: &[u8]) {
    let Ok(value @ Value::Object(_)) = serde_json::from_slice::<Value>(bytes) else { return };
    reports(&rich().case(day("2022-09-01"), Who::City, value.clone()));
    reports(&Outlet::suspected().case(day("2021-02-01"), Who::County, value));
}

fn reports(outlet: &Outlet) {
    let set = reference().active_set();
    let projection = outlet.project();
    assert_eq!(projection.row.id, outlet.key().id);
    let rows = [outlet.project_at("2022-12-31").row];
    for rows in [&rows[..], std::slice::from_ref(&projection.row)] {
        let _ = ledger_csv(rows, Style::CODES).expect("any row is written");
        let _ = problems_csv(&ledger::problem_list(rows), Style::CODES).expect("any row is written");
        let _ = parties_csv(&ledger::party_list(rows), Style::CODES).expect("any row is written");
        let map: Value = serde_json::from_str(&ledger_geojson(rows, Style::CODES)).expect("a map file is JSON");
        assert_eq!(map["features"].as_array().map(Vec::len), Some(1));
        let _ = ledger::summary(rows, ledger::SummaryBy::Type);
    }
    for milestone in &set.milestones {
        outlet.with(|input| drop(explain(input, reference(), &milestone.id, day("2022-12-31"))));
    }
    outlet.with(|input| {
        let entries: (&[Entry], &[Entry]) = (input.field, input.case);
        drop(summarise(input.key, entries.0, entries.1));
    });
}

fn reference_entries() -> Vec<Vec<u8>> {
    vec![
        br#"{"type":"data_set","kind":"milestone_set","name":"x","version":"1","text":"id = \"x\"","at":1640000000000}"#
            .to_vec(),
        br#"{"type":"seal","what":"ledger","unit":"511902","on":"2021-12-30","at":1640000000000}"#.to_vec(),
    ]
}

fn reference_entry(bytes: &[u8]) {
    use outlet_core::domain::reference::ReferenceEntry;
    if let Ok(entry) = serde_json::from_slice::<ReferenceEntry>(bytes) {
        let (reference, _) = ledger::Reference::from_entries(&[entry]);
        let _ = Outlet::new().with(|input| ledger::project(input, &reference, None, None));
    }
}
