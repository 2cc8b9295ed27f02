//! The desk from submission to decision.

use outlet_core::domain::case::CaseEntry;
use outlet_core::identity::{Level, Role};
use outlet_core::ids::{DocKey, DocKind, PersonId};
use serde_json::{Value, json};

use super::conflicts::{Settled, conflicts, settle};
use super::duplicates::{dismiss, link, pairs, totals};
use super::*;
use crate::accounts::{self, Account, NewAccount};
use crate::engine::{Acting, DecideError, Seen, Via, projector};
use crate::testing::{Device, Kit, county, outlet, stored};

fn account(kit: &Kit, login: &str, person: u8, level: Level) -> (Acting, Account) {
    let new = NewAccount {
        login: login.to_owned(),
        name: format!("名 {login}"),
        person: PersonId([person; 16]),
        role: Role::Supervisor,
        level: Some(level),
        collections: vec![county()],
    };
    let account = accounts::add(kit.engine.database(), new, "correct horse", (accounts::COMMANDS, kit.now())).unwrap();
    (Acting { login: login.to_owned(), via: Via::Cli, session: None }, account)
}

fn location(east: f64) -> Value {
    let lon = 106.75 + east / 94_600.0;
    json!({"lon": lon, "lat": 31.86, "raw_lon": lon, "raw_lat": 31.86, "datum": "wgs84", "accuracy_m": 4.0})
}

fn fact(field: &str, value: &Value) -> Value {
    json!({"type": "fact", "field": field, "value": value})
}

/// A record without warnings, handed in; `east` metres from the others.
fn submit(kit: &Kit, device: &mut Device, number: u8, east: f64) -> DocKey {
    let key = outlet(number);
    let mut facts = vec![
        fact("state", &json!("outlet")),
        fact("location", &location(east)),
        fact("county", &json!("511902")),
        fact("waterbody", &json!("巴河")),
        fact("bank", &json!("left")),
        fact("temporary_number", &json!(format!("T{number}"))),
    ];
    facts.push(json!({"type": "submit"}));
    for entry in facts {
        let run = device.write(&key, entry);
        assert_eq!(kit.push(device, &[run]).outcomes, [stored()]);
    }
    key
}

fn seen(kit: &Kit, key: &DocKey) -> Seen {
    kit.engine.seen(key).unwrap().unwrap()
}

fn all() -> QueueFilter {
    QueueFilter { limit: 100, ..QueueFilter::default() }
}

fn waiting(kit: &Kit, account: &Account, filter: &QueueFilter) -> Vec<String> {
    queue(&kit.engine, account, filter).unwrap().into_iter().filter_map(|line| line.number).collect()
}

#[test]
fn the_queue_puts_findings_first_then_the_longest_wait_and_shows_only_ones_own_collections() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let (_, li) = account(&kit, "li", 30, Level::County);
    submit(&kit, &mut device, 1, 0.0);
    kit.wait(3_600_000);
    submit(&kit, &mut device, 2, 5_000.0);
    let odd = submit(&kit, &mut device, 3, 9_000.0);
    let mut other = kit.member(2, Role::Inspector, None);
    let rival = other.write(&odd, fact("scale", &json!("above")));
    let mine = device.write(&odd, fact("scale", &json!("below")));
    kit.push(&other, &[rival]);
    kit.push(&device, &[mine]);
    assert_eq!(waiting(&kit, &li, &all()), ["T3", "T1", "T2"]);
    let lines = queue(&kit.engine, &li, &all()).unwrap();
    assert_eq!(lines[0].conflicts, ["scale"]);
    assert_eq!(lines[1].waiting_hours, Some(1));
    assert_eq!(lines[1].inspector.as_deref(), Some("person 1"));
    assert_eq!(waiting(&kit, &li, &QueueFilter { clean: true, ..all() }), ["T1", "T2"]);
    let elsewhere = Account { collections: vec!["511903".parse().unwrap()], ..li };
    assert_eq!(waiting(&kit, &elsewhere, &all()), Vec::<String>::new());
}

#[test]
fn a_claimed_record_is_nobody_elses_until_the_claim_ends() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let ((li, _), (wu, of_wu)) = (account(&kit, "li", 30, Level::County), account(&kit, "wu", 31, Level::County));
    let key = submit(&kit, &mut device, 1, 0.0);
    claim(&kit.engine, &li, key).unwrap();
    assert!(matches!(claim(&kit.engine, &wu, key), Err(DecideError::Claimed { by, .. }) if by == "名 li"));
    let approved = approve(&kit.engine, &wu, key, seen(&kit, &key), &[], None);
    assert!(matches!(approved, Err(DecideError::Claimed { .. })));
    assert_eq!(queue(&kit.engine, &of_wu, &all()).unwrap()[0].claimed_by.as_deref(), Some("名 li"));
    kit.wait(CLAIM_MINUTES * 60_000 + 1);
    claim(&kit.engine, &wu, key).unwrap();
    approve(&kit.engine, &wu, key, seen(&kit, &key), &[], None).unwrap();
    assert_eq!(brief(&kit.engine, key).unwrap().claim, None, "a decision ends the claim");
}

#[test]
fn a_returned_record_comes_back_with_only_what_changed() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let (li, of_li) = account(&kit, "li", 30, Level::County);
    let key = submit(&kit, &mut device, 1, 0.0);
    let reasons = ["location_offset".to_owned()];
    let what = (&["location".to_owned()][..], &reasons[..]);
    return_record(&kit.engine, &li, key, seen(&kit, &key), what, Some("请重新定位".to_owned())).unwrap();
    assert_eq!(waiting(&kit, &of_li, &all()), Vec::<String>::new());
    let returned = QueueFilter { review: Some(outlet_core::ledger::ReviewState::Returned), ..all() };
    assert_eq!(waiting(&kit, &of_li, &returned), ["T1"]);
    let old = brief(&kit.engine, key).unwrap();
    assert_eq!((old.facts.len(), old.entries.len()), (0, 0), "nothing changed yet");
    let replaced = device.docs[&key].entries().into_iter().find(|entry| entry.json.contains("\"location\"")).unwrap();
    let moved = json!({"type": "fact", "field": "location", "value": location(12.0), "replaces": [replaced.id]});
    for entry in [moved, json!({"type": "submit"})] {
        let run = device.write(&key, entry);
        kit.push(&device, &[run]);
    }
    let lines = queue(&kit.engine, &of_li, &all()).unwrap();
    assert!(lines[0].again);
    let again = brief(&kit.engine, key).unwrap();
    assert_eq!(again.returned_for, reasons);
    assert_eq!(again.facts.len(), 1);
    assert_eq!((again.facts[0].before.as_ref(), &again.facts[0].now[0]), (Some(&location(0.0)), &location(12.0)));
    assert_eq!(again.entries.len(), 1, "the second submission: {:?}", again.entries);
}

#[test]
fn a_sheet_waits_for_its_sample_and_leaves_out_what_changed() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let ((li, _), (wu, _)) = (account(&kit, "li", 30, Level::County), account(&kit, "wu", 31, Level::County));
    let keys: Vec<DocKey> =
        (1..=6).map(|number| submit(&kit, &mut device, number, f64::from(number) * 3_000.0)).collect();
    let sheet = make_sheet(&kit.engine, &li, 60, 7).unwrap();
    assert_eq!(sheet.lines.len(), 6);
    assert_eq!(sheet.unopened().len(), 3);
    let drawn = |seed| make_sheet(&kit.engine, &li, 60, seed).unwrap().unopened();
    assert_eq!(drawn(7), sheet.unopened(), "the seed draws the sample");
    assert!((8..30).any(|seed| drawn(seed) != drawn(7)));
    let refused = approve_sheet(&kit.engine, &li, sheet.id, &[]).unwrap_err();
    assert!(refused.to_string().contains("open the drawn sample"), "{refused}");
    for id in sheet.unopened() {
        assert!(
            matches!(open_on_sheet(&kit.engine, &wu, sheet.id, id), Err(DecideError::Proposal(_))),
            "not wu's sheet"
        );
        open_on_sheet(&kit.engine, &li, sheet.id, id).unwrap();
    }
    // One is edited after the sheet was made, one is claimed, one excepted.
    let edited = device.write(&keys[0], fact("remark_of_test", &json!("x")));
    kit.push(&device, &[edited]);
    claim(&kit.engine, &wu, keys[1]).unwrap();
    let done = approve_sheet(&kit.engine, &li, sheet.id, &[keys[2].id]).unwrap();
    assert_eq!(done.approved.len(), 3);
    let why =
        |key: &DocKey| done.left_out.iter().find(|(id, _)| *id == key.id).map(|(_, why)| why.to_string()).unwrap();
    assert!(why(&keys[0]).contains("changed"));
    assert!(why(&keys[1]).contains("claimed by 名 wu"));
    assert!(why(&keys[2]).contains("excepted"));
    assert!(approve_sheet(&kit.engine, &li, sheet.id, &[]).is_err(), "once");
    let row = brief(&kit.engine, keys[4]).unwrap().row;
    assert_eq!(row.review_state.code(), "approved");
    assert!(row.reviewed_by.unwrap().contains("witnessed by server"));
}

#[test]
fn ones_own_decision_can_be_taken_back_for_ten_minutes() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let ((li, _), (wu, _)) = (account(&kit, "li", 30, Level::County), account(&kit, "wu", 31, Level::County));
    let key = submit(&kit, &mut device, 1, 0.0);
    assert!(undo(&kit.engine, &li, key).is_err(), "nothing was decided");
    approve(&kit.engine, &li, key, seen(&kit, &key), &[], None).unwrap();
    assert!(undo(&kit.engine, &wu, key).unwrap_err().to_string().contains("somebody else's"));
    kit.wait(60_000);
    undo(&kit.engine, &li, key).unwrap();
    assert_eq!(brief(&kit.engine, key).unwrap().row.review_state.code(), "submitted");
    approve(&kit.engine, &li, key, seen(&kit, &key), &[], None).unwrap();
    kit.wait(UNDO_MINUTES * 60_000 + 1);
    assert!(undo(&kit.engine, &li, key).unwrap_err().to_string().contains("ten minutes"));
}

#[test]
fn an_edit_after_the_approval_reads_approved_amended_and_waits_again() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let (li, of_li) = account(&kit, "li", 30, Level::County);
    let key = submit(&kit, &mut device, 1, 0.0);
    approve(&kit.engine, &li, key, seen(&kit, &key), &[], None).unwrap();
    assert_eq!(waiting(&kit, &of_li, &all()), Vec::<String>::new());
    let edit = device.write(&key, fact("name", &json!("后改的名")));
    kit.push(&device, &[edit]);
    assert_eq!(waiting(&kit, &of_li, &all()), ["T1"]);
    let brief = brief(&kit.engine, key).unwrap();
    assert_eq!(brief.row.review_state.code(), "approved_amended");
    assert_eq!(brief.facts.iter().map(|fact| fact.field.as_str()).collect::<Vec<_>>(), ["name"]);
    assert_eq!(pace(&kit.engine, &of_li).unwrap().reviewed_7_days, 1);
}

#[test]
fn a_conflict_stands_side_by_side_until_a_decision_names_what_it_overrules() {
    let kit = Kit::new();
    let mut one = kit.member(1, Role::Inspector, None);
    let mut other = kit.member(2, Role::Inspector, None);
    let (li, of_li) = account(&kit, "li", 30, Level::County);
    let key = submit(&kit, &mut one, 1, 0.0);
    // Additive facts of two people merge silently; a location does not.
    let runs = [other.write(&key, fact("location", &location(80.0))), other.write(&key, fact("bank", &json!("right")))];
    kit.push(&other, &runs);
    let found = conflicts(&kit.engine, &of_li, None, 10).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].field, "location");
    let side = |by: &str| found[0].sides.iter().find(|side| side.by == by).unwrap();
    let (first, second) = (side("person 1"), side("person 2"));
    let apart = first.distance_m.unwrap().max(second.distance_m.unwrap());
    assert!((apart - 80.0).abs() < 2.0, "{found:?}");
    assert!(second.received_at.is_some());
    assert!(matches!(
        approve(&kit.engine, &li, key, found[0].seen.clone(), &[], None),
        Err(DecideError::Objection { .. })
    ));
    let picked = Settled::Pick(second.entry);
    let done = settle(&kit.engine, &li, (key, "location"), found[0].seen.clone(), picked, (None, None)).unwrap();
    assert!(conflicts(&kit.engine, &of_li, None, 10).unwrap().is_empty());
    let case = kit.engine.database().read(|tx| projector::load(tx, &key.with_kind(DocKind::Case))).unwrap().unwrap();
    let entry: CaseEntry = case.entries().iter().find(|entry| entry.id == done.entries[0]).unwrap().parse().unwrap();
    let mut overruled = entry.overrules.clone();
    overruled.sort();
    let mut sides = vec![first.entry, second.entry];
    sides.sort();
    assert_eq!(overruled, sides);
    let shown = brief(&kit.engine, key).unwrap();
    assert!((shown.row.lon.unwrap() - location(80.0)["lon"].as_f64().unwrap()).abs() < 1e-9);
    let line = |shown: &Brief| shown.facts.iter().find(|line| line.field == "location").cloned();
    assert_eq!(
        line(&shown).unwrap().now,
        std::slice::from_ref(&second.value),
        "what the decision overruled is no value any more"
    );
    approve(&kit.engine, &li, key, shown.seen, &[], None).unwrap();
    assert_eq!(
        line(&brief(&kit.engine, key).unwrap()),
        None,
        "and it was decided before the review, so nothing changed"
    );
}

#[test]
fn a_possible_duplicate_is_a_question_and_a_link_is_reversible() {
    let kit = Kit::new();
    let mut one = kit.member(1, Role::Inspector, None);
    let (li, of_li) = account(&kit, "li", 30, Level::County);
    let (first, second) = (submit(&kit, &mut one, 1, 0.0), submit(&kit, &mut one, 2, 5.0));
    submit(&kit, &mut one, 3, 4_000.0);
    let found = pairs(&kit.engine, &of_li, None, false, 10).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].a_label.as_str(), found[0].b_label.as_str()), ("T1", "T2"));
    let rows = || kit.rows().iter().filter(|(_, row, _)| !row.contains("\"state\":\"duplicate\"")).count();
    assert_eq!(rows(), 3, "nothing merges by itself");
    assert_eq!(waiting(&kit, &of_li, &QueueFilter { clean: true, ..all() }), ["T3"]);
    dismiss(&kit.engine, &li, first, second, "两个口").unwrap();
    assert!(pairs(&kit.engine, &of_li, None, false, 10).unwrap().is_empty());
    assert!(pairs(&kit.engine, &of_li, None, true, 10).unwrap()[0].dismissed.as_ref().unwrap().contains("两个口"));
    dismiss(&kit.engine, &li, second, first, "").unwrap();
    assert_eq!(pairs(&kit.engine, &of_li, None, false, 10).unwrap().len(), 1);
    link(&kit.engine, &li, (second, first), seen(&kit, &second), false, None).unwrap();
    assert_eq!(rows(), 2);
    assert_eq!(totals(&kit.engine).unwrap(), (2, 0), "a linked record is no candidate any more");
    let circle = link(&kit.engine, &li, (first, second), seen(&kit, &first), false, None);
    assert!(matches!(circle, Err(DecideError::Proposal(_))));
    link(&kit.engine, &li, (second, first), seen(&kit, &second), true, None).unwrap();
    assert_eq!(rows(), 3);
    assert_eq!(pairs(&kit.engine, &of_li, None, false, 10).unwrap().len(), 1);
}

#[test]
fn an_index_kept_in_memory_and_one_read_anew_find_the_same_pairs() {
    let kit = Kit::new();
    let mut one = kit.member(1, Role::Inspector, None);
    submit(&kit, &mut one, 1, 0.0);
    catch_up(&kit.engine).unwrap();
    submit(&kit, &mut one, 2, 6.0);
    assert_eq!(totals(&kit.engine).unwrap(), (2, 1));
    let again = crate::testing::open(kit.place.path(), &kit.clock);
    submit(&kit, &mut one, 3, 3.0);
    assert_eq!(totals(&again).unwrap(), (3, 3), "a second process takes over where the first one was");
    assert_eq!(totals(&kit.engine).unwrap(), (3, 3));
    submit(&kit, &mut one, 4, 4.0);
    assert_eq!(totals(&kit.engine).unwrap(), (4, 6), "the first one's index was outdated and is read anew");
}

#[test]
fn a_picture_is_hashed_once_and_rubbish_is_no_picture() {
    let mut bytes = Vec::new();
    let shade = |x: u32, y: u32| image::Rgb([(x * 7 % 256) as u8, (y * 5 % 256) as u8, ((x * y) % 256) as u8]);
    let image = image::RgbImage::from_fn(160, 120, shade);
    image.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Jpeg).unwrap();
    let hash = pictures::picture(&bytes).unwrap();
    let smaller = image::imageops::resize(&image, 80, 60, image::imageops::FilterType::Triangle);
    let mut small = Vec::new();
    smaller.write_to(&mut std::io::Cursor::new(&mut small), image::ImageFormat::Jpeg).unwrap();
    assert!(hash.distance(pictures::picture(&small).unwrap()) <= 8);
    assert_eq!(pictures::picture(b"no picture"), None);
    assert_eq!(pictures::picture(&bytes[..200]), None);
}
