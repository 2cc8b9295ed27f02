//! Witnessed decisions, from the account to the ledger row.

use outlet_core::admission::check_run;
use outlet_core::doc::{Document, Entry};
use outlet_core::domain::case::CaseEntry;
use outlet_core::identity::{Level, Role};
use outlet_core::ids::{DocKey, DocKind, PersonId};
use outlet_core::ledger::{Objection, witness_chains};
use outlet_core::sync::replica::Outcome;
use serde_json::{Value, json};

use super::{Acting, DecideError, Proposal, Seen, Via, projector};
use crate::accounts::{self, NewAccount};
use crate::testing::{Kit, county, outlet, stored};

fn account(kit: &Kit, login: &str, person: u8, level: Level) -> Acting {
    let new = NewAccount {
        login: login.to_owned(),
        name: format!("名 {login}"),
        person: PersonId([person; 16]),
        role: Role::Supervisor,
        level: Some(level),
        collections: vec![county()],
    };
    accounts::add(kit.engine.database(), new, "correct horse", (accounts::COMMANDS, kit.now())).unwrap();
    Acting { login: login.to_owned(), via: Via::Cli, session: None }
}

/// Records of an inspector with person 1.
fn records(kit: &Kit, numbers: std::ops::Range<u8>) -> Vec<DocKey> {
    let mut inspector = kit.member(1, Role::Inspector, None);
    let keys: Vec<DocKey> = numbers.map(outlet).collect();
    for key in &keys {
        let state = inspector.fact(key, "state", "outlet");
        let submit = inspector.write(key, json!({"type": "submit"}));
        assert_eq!(kit.push(&inspector, &[state, submit]).outcomes, [stored(), stored()]);
    }
    keys
}

fn entry(decision: Value) -> CaseEntry {
    let mut decision = decision;
    decision["at"] = json!(0);
    serde_json::from_value(decision).unwrap()
}

fn approve() -> CaseEntry {
    entry(json!({"type": "review", "action": "approve"}))
}

fn seen(kit: &Kit, key: &DocKey) -> Seen {
    kit.engine.seen(key).unwrap().unwrap()
}

fn row(kit: &Kit, key: &DocKey) -> Value {
    let rows = kit.rows();
    let (_, row, _) = rows.iter().find(|(own, ..)| own == key).unwrap();
    serde_json::from_str(row).unwrap()
}

fn case_entries(kit: &Kit, key: &DocKey) -> Vec<Entry> {
    let key = key.with_kind(DocKind::Case);
    let document = kit.engine.database().read(|tx| projector::load(tx, &key)).unwrap();
    document.map(|document| document.entries()).unwrap_or_default()
}

fn objection(result: Result<super::Witnessed, DecideError>) -> Objection {
    match result {
        Err(DecideError::Objection { objection, .. }) => objection,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_decision_at_the_server_is_witnessed_admitted_everywhere_and_in_the_ledger_at_once() {
    let kit = Kit::new();
    let key = records(&kit, 1..2)[0];
    let li = account(&kit, "li", 30, Level::County);
    let written = kit.engine.decide(&li, key, seen(&kit, &key), vec![approve()]).unwrap();
    assert_eq!(row(&kit, &key)["review_state"], "approved");
    assert_eq!(written.seen, seen(&kit, &key), "what to decide on next");
    let entries = case_entries(&kit, &key);
    let parsed: CaseEntry = entries[0].parse().unwrap();
    assert_eq!(parsed.field_heads, written.seen.field, "pinned");
    let witness = parsed.witness.unwrap();
    assert_eq!((witness.account.as_str(), witness.name.as_str(), witness.via.as_str()), ("li", "名 li", "cli"));
    // Every replica admits it by the same rule.
    let document = kit.engine.database().read(|tx| projector::load(tx, &key.with_kind(DocKind::Case))).unwrap();
    let raw = document.unwrap().raw_change(&written.change).unwrap();
    let folder = &kit.engine.folder;
    let run = outlet_core::identity::SignedRun::sign(folder.key(), key.with_kind(DocKind::Case), vec![raw]).unwrap();
    let roster = kit.engine.database().read(|tx| folder.roster(tx)).unwrap();
    assert!(check_run(&run, &roster).is_ok());
}

#[test]
fn of_two_people_who_decide_at_once_the_second_sees_both_and_overwrites_nothing() {
    let kit = Kit::new();
    let key = records(&kit, 1..2)[0];
    let (li, wu) = (account(&kit, "li", 30, Level::County), account(&kit, "wu", 31, Level::County));
    let looked_at = seen(&kit, &key);
    kit.engine.decide(&li, key, looked_at.clone(), vec![approve()]).unwrap();
    let returned = entry(json!({"type": "review", "action": "return", "reasons": ["location_offset"]}));
    let Err(DecideError::Stale(stale)) = kit.engine.decide(&wu, key, looked_at.clone(), vec![returned.clone()]) else {
        panic!("the second decision must be stale");
    };
    assert_eq!(stale.seen, looked_at);
    assert_eq!(stale.now, seen(&kit, &key));
    assert_eq!(stale.since.len(), 1);
    assert_eq!(stale.since[0].by, "名 li (witnessed by server)");
    assert_eq!(stale.since[0].content["action"], "approve");
    assert_eq!(row(&kit, &key)["review_state"], "approved");
    kit.engine.decide(&wu, key, stale.now, vec![returned]).unwrap();
}

#[test]
fn a_record_that_an_inspector_edited_meanwhile_is_stale_too() {
    let kit = Kit::new();
    let mut inspector = kit.member(1, Role::Inspector, None);
    let key = outlet(1);
    let first = inspector.fact(&key, "state", "outlet");
    kit.push(&inspector, &[first]);
    let li = account(&kit, "li", 30, Level::County);
    let looked_at = seen(&kit, &key);
    let second = inspector.fact(&key, "name", "新名");
    kit.push(&inspector, &[second]);
    let Err(DecideError::Stale(stale)) = kit.engine.decide(&li, key, looked_at, vec![approve()]) else {
        panic!("the record moved on");
    };
    assert_eq!(stale.since[0].document, DocKind::Field);
    assert_eq!(stale.since[0].content["value"], "新名");
    assert!(case_entries(&kit, &key).is_empty());
}

#[test]
fn account_collection_level_authorship_and_values_are_checked_before_anything_is_written() {
    let kit = Kit::new();
    let key = records(&kit, 1..2)[0];
    let looked_at = || seen(&kit, &key);
    let li = account(&kit, "li", 30, Level::County);
    let author = account(&kit, "author", 1, Level::City);
    let class = entry(json!({"type": "classify", "step": "decide", "classification": "regulate"}));
    let decide = |who: &Acting, entry: CaseEntry| kit.engine.decide(who, key, looked_at(), vec![entry]);
    assert_eq!(objection(decide(&li, class.clone())), Objection::Level);
    assert_eq!(objection(decide(&author, class)), Objection::OwnRecord);
    let unknown = entry(json!({"type": "review", "action": "return", "reasons": ["because"]}));
    assert!(matches!(objection(decide(&li, unknown)), Objection::Value { .. }));
    let nobody = Acting { login: "nobody".to_owned(), ..li.clone() };
    assert!(matches!(decide(&nobody, approve()), Err(DecideError::Account(_))));
    let elsewhere = DocKey { collection: "511923".parse().unwrap(), ..key };
    let foreign = kit.engine.decide(&li, elsewhere, looked_at(), vec![approve()]);
    assert!(matches!(foreign, Err(DecideError::Collection { .. })));
    assert!(decide(&li, approve()).is_ok());
    accounts::set_enabled(kit.engine.database(), "li", false, (accounts::COMMANDS, kit.now())).unwrap();
    assert!(matches!(decide(&li, approve()), Err(DecideError::Account(_))));
    assert_eq!(case_entries(&kit, &key).len(), 1);
}

#[test]
fn many_decisions_are_one_transaction_and_one_chain() {
    let kit = Kit::new();
    let keys = records(&kit, 1..6);
    let li = account(&kit, "li", 30, Level::County);
    let proposal = |key: &DocKey| Proposal { outlet: *key, seen: seen(&kit, key), entries: vec![approve()] };
    let mut one_stale: Vec<Proposal> = keys.iter().map(proposal).collect();
    one_stale[3].seen.field.clear();
    assert!(matches!(kit.engine.decide_all(&li, one_stale), Err(DecideError::Stale(_))));
    assert!(keys.iter().all(|key| case_entries(&kit, key).is_empty()), "none of them");
    let all: Vec<Proposal> = keys.iter().map(proposal).collect();
    assert_eq!(kit.engine.decide_all(&li, all).unwrap().len(), 5);
    kit.engine.decide(&li, keys[0], seen(&kit, &keys[0]), vec![entry(json!({"type": "name", "name": "x"}))]).unwrap();
    let entries: Vec<(DocKey, Entry)> = keys
        .iter()
        .flat_map(|key| case_entries(&kit, key).into_iter().map(|entry| (key.with_kind(DocKind::Case), entry)))
        .collect();
    let chains = witness_chains(entries.iter().map(|(key, entry)| (*key, entry)));
    let chain = &chains[&kit.engine.folder.key().public()];
    assert_eq!((chain.entries, chain.is_whole()), (6, true), "{chain:?}");
    let without_last = witness_chains(entries[1..].iter().map(|(key, entry)| (*key, entry)));
    assert!(!without_last[&kit.engine.folder.key().public()].is_whole(), "a dropped decision shows");
}

#[test]
fn a_device_that_bears_false_witness_is_refused_for_good() {
    let kit = Kit::new();
    let key = records(&kit, 1..2)[0];
    let mut supervisor = kit.member(3, Role::Supervisor, Some(Level::City));
    let case = key.with_kind(DocKind::Case);
    let witness = json!({"account": "li", "person": PersonId([30; 16]), "name": "李四", "role": "admin", "via": "cli"});
    supervisor.docs.insert(case, Document::new(DocKind::Case));
    let forged = supervisor.write(&case, json!({"type": "review", "action": "approve", "witness": witness}));
    let outcomes = kit.push(&supervisor, &[forged]).outcomes;
    assert!(matches!(&outcomes[0], Outcome::Refused { code, .. } if code == "witness"), "{outcomes:?}");
}
