//! Every refusal of a run on its own.

use super::world::*;
use crate::admission::{Malformed, Refusal, check_form, check_run, encode_change, read_change};
use crate::doc::{Document, to_json};
use crate::domain::case::{CaseEntry, Classify, Decision, Extend, KnownFrom, Settle};
use crate::domain::witness::Witness;
use crate::identity::{Level, Role, SignedRun};
use crate::ids::{DocKind, PersonId, Signature};

fn code(run: &SignedRun) -> &'static str {
    check_run(run, &roster()).map_or_else(|refusal| refusal.code(), |_| "admitted")
}

#[test]
fn honest_runs_pass_and_are_read_completely() {
    let mut document = Document::new(DocKind::Field);
    let first = write(&mut document, INSPECTOR, &[note("a"), note("b")]);
    let registers = [("remark".to_owned(), String::new()), ("备注".to_owned(), "二".to_owned())];
    let second = document.write(&actor(INSPECTOR), NOW, &[note("c")], &registers).unwrap();
    let third = document.write(&actor(INSPECTOR), NOW, &[], &[("remark".to_owned(), "x".to_owned())]).unwrap();
    let run = sign(INSPECTOR, DocKind::Field, &[&first, &second, &third]);
    let checked = check_run(&run, &roster()).unwrap();
    assert_eq!(checked.heads().iter().map(|head| head.hash).collect::<Vec<_>>(), [first.hash, second.hash, third.hash]);
    assert_eq!(checked.entry_ids(), [first.entries, second.entries].concat());
    assert_eq!(checked.heads()[2].ops[0].pred.len(), 1);
    assert_eq!(checked.last(), third.hash);
    assert_eq!(checked.signer(), key(INSPECTOR).public());
    for (head, raw) in checked.heads().iter().zip(&run.changes) {
        assert_eq!(&encode_change(head), raw);
    }
}

#[test]
fn size_signature_and_sequence() {
    let mut document = Document::new(DocKind::Field);
    let a = write(&mut document, INSPECTOR, &[note("a")]);
    let b = write(&mut document, INSPECTOR, &[note("b")]);
    let other = write(&mut document, SECOND, &[note("other")]);
    let c = write(&mut document, INSPECTOR, &[note("c")]);
    let good = sign(INSPECTOR, DocKind::Field, &[&a, &b]);
    assert_eq!(code(&good), "admitted");
    assert_eq!(code(&SignedRun { changes: Vec::new(), ..good.clone() }), "run_size");
    assert_eq!(code(&SignedRun { changes: vec![a.raw.clone(); 1025], ..good.clone() }), "run_size");
    assert_eq!(code(&SignedRun { signature: Signature([1; 64]), ..good.clone() }), "signature");
    assert_eq!(
        code(&SignedRun {
            doc: crate::ids::DocKey { id: crate::ids::OutletId(uuid::Uuid::nil()), ..good.doc },
            ..good.clone()
        }),
        "signature"
    );
    assert_eq!(code(&sign(SECOND, DocKind::Field, &[&a, &b])), "signature", "somebody else's key");
    assert_eq!(code(&sign(INSPECTOR, DocKind::Field, &[&a, &c])), "not_a_run", "a gap");
    assert_eq!(code(&sign(INSPECTOR, DocKind::Field, &[&b, &a])), "not_a_run", "backwards");
    assert_eq!(code(&sign(SECOND, DocKind::Field, &[&a, &other])), "not_a_run", "a foreign actor");
    assert_eq!(code(&sign(INSPECTOR, DocKind::Field, &[&b, &c])), "admitted");
    let form = check_form(&SignedRun { signature: Signature([1; 64]), ..good });
    assert_eq!(form.map(|checked| checked.last()), Ok(b.hash));
}

fn case_run(byte: u8, decision: Decision) -> SignedRun {
    let entry = CaseEntry {
        on: None,
        at: NOW,
        document: None,
        field_heads: vec![],
        overrules: vec![],
        note: None,
        witness: None,
        decision,
    };
    let mut document = Document::new(DocKind::Case);
    let change = write(&mut document, byte, &[to_json(&entry).unwrap()]);
    sign(byte, DocKind::Case, &[&change])
}

fn classify(step: &str) -> Decision {
    Decision::Classify(Classify {
        step: step.to_owned(),
        classification: "ban".to_owned(),
        circumstance: None,
        legal_bases: vec![],
        layer: None,
        government_document: None,
    })
}

#[test]
fn role_level_and_collection() {
    let settle = || Decision::Settle(Settle { field: "state".to_owned(), value: "outlet".into(), reason: None });
    let extend = || Decision::Extend(Extend { milestone: None, until: None, authority: "x".to_owned(), reason: None });
    for (byte, decision, expected) in [
        (INSPECTOR, settle(), "right"),
        (COUNTY, settle(), "admitted"),
        (COUNTY, classify("endorse"), "admitted"),
        (COUNTY, classify("decide"), "right"),
        (CITY, classify("decide"), "admitted"),
        (COUNTY, extend(), "right"),
        (ADMIN, extend(), "admitted"),
        (CITY, Decision::KnownFrom(KnownFrom { entries: vec![] }), "right"),
        (ADMIN, Decision::KnownFrom(KnownFrom { entries: vec![] }), "admitted"),
        (SERVER, classify("decide"), "witness"),
        (STRANGER, settle(), "not_a_member"),
        (ELSEWHERE, settle(), "collection"),
    ] {
        assert_eq!(code(&case_run(byte, decision.clone())), expected, "{byte} {decision:?}");
    }
    let refusal = check_run(&case_run(COUNTY, classify("decide")), &roster()).unwrap_err();
    assert_eq!(refusal, Refusal::Right { kind: DocKind::Case, role: Role::Supervisor, level: Some(Level::City) });
    for (byte, kind, expected) in [
        (VIEWER, DocKind::Field, "right"),
        (CITY, DocKind::Field, "admitted"),
        (SERVER, DocKind::Field, "not_imported"),
        (CITY, DocKind::Reference, "right"),
        (ADMIN, DocKind::Reference, "admitted"),
        (SERVER, DocKind::Reference, "admitted"),
    ] {
        let mut document = Document::new(kind);
        let change = write(&mut document, byte, &[note("a")]);
        assert_eq!(code(&sign(byte, kind, &[&change])), expected, "{byte} {kind}");
    }
    let imported = r#"{"type":"imported","list":"遥感","source_id":"1","line":2,"file":"FILE","by":"wang","at":0}"#;
    let imported = imported.replace("FILE", &"0".repeat(64));
    let mut document = Document::new(DocKind::Field);
    let row = write(&mut document, SERVER, &[imported, note("a")]);
    assert_eq!(code(&sign(SERVER, DocKind::Field, &[&row])), "admitted", "the row of a list that it names");
    let more = write(&mut document, SERVER, &[note("b")]);
    assert_eq!(code(&sign(SERVER, DocKind::Field, &[&row, &more])), "not_imported", "every change names it");
    let mut document = Document::new(DocKind::Field);
    let change = write(&mut document, INSPECTOR, &[note("a")]);
    let mut misplaced = sign(INSPECTOR, DocKind::Field, &[&change]);
    misplaced.doc.collection = crate::ids::Collection::REFERENCE;
    assert_eq!(code(&misplaced), "collection", "no field record among the reference documents");
}

fn witness(role: Role, level: Option<Level>) -> Box<Witness> {
    let (account, name, via) = ("li".to_owned(), "李四".to_owned(), "console".to_owned());
    Box::new(Witness { account, person: PersonId([77; 16]), name, role, level, via, session: None, chain: None })
}

fn witnessed_run(byte: u8, decision: Decision, witness: Box<Witness>) -> SignedRun {
    let (field_heads, overrules) = (vec![], vec![]);
    let witness = Some(witness);
    let entry = CaseEntry { on: None, at: NOW, document: None, field_heads, overrules, note: None, witness, decision };
    let mut document = Document::new(DocKind::Case);
    let change = write(&mut document, byte, &[to_json(&entry).unwrap()]);
    sign(byte, DocKind::Case, &[&change])
}

#[test]
fn a_server_decides_for_nobody_but_whom_it_names_with_the_right_they_have() {
    let county = || witness(Role::Supervisor, Some(Level::County));
    let city = || witness(Role::Supervisor, Some(Level::City));
    let known = || Decision::KnownFrom(KnownFrom { entries: vec![] });
    for (decision, witness, expected) in [
        (classify("endorse"), county(), "admitted"),
        (classify("decide"), city(), "admitted"),
        (classify("decide"), county(), "right"),
        (classify("decide"), witness(Role::Supervisor, None), "right"),
        (classify("endorse"), witness(Role::Inspector, Some(Level::City)), "right"),
        (known(), city(), "right"),
        (known(), witness(Role::Admin, None), "admitted"),
    ] {
        assert_eq!(code(&witnessed_run(SERVER, decision.clone(), witness)), expected, "{decision:?}");
    }
    let refusal = check_run(&case_run(SERVER, classify("endorse")), &roster()).unwrap_err();
    assert!(matches!(refusal, Refusal::Witness { .. }) && refusal.is_timeless(), "{refusal}");
}

#[test]
fn a_witness_by_anybody_but_a_server_is_forged() {
    let county = || witness(Role::Supervisor, Some(Level::City));
    for byte in [COUNTY, CITY, ADMIN] {
        assert_eq!(code(&witnessed_run(byte, classify("endorse"), county())), "witness", "{byte}");
    }
    // Whoever is unknown may turn out to be a server: held, not refused.
    assert_eq!(code(&witnessed_run(STRANGER, classify("endorse"), county())), "not_a_member");
    let raw = |byte: u8, text: &str| {
        let mut document = Document::new(DocKind::Case);
        let change = write(&mut document, byte, &[text.to_owned()]);
        code(&sign(byte, DocKind::Case, &[&change]))
    };
    let odd = r#"{"type":"review","action":"approve","at":1,"witness":null}"#;
    let newer = r#"{"type":"of_a_newer_version","at":1,"witness":{"account":"x","by":"y"}}"#;
    for text in [odd, newer] {
        assert_eq!([raw(COUNTY, text), raw(SERVER, text)], ["witness"; 2], "{text}");
    }
    // A server's registers would say nothing of who wrote them.
    let mut document = Document::new(DocKind::Case);
    let change = document.write(&actor(SERVER), NOW, &[], &[("remark".to_owned(), "x".to_owned())]).unwrap();
    assert_eq!(code(&sign(SERVER, DocKind::Case, &[&change])), "witness");
}

#[test]
fn a_future_decision_needs_what_every_case_file_needs() {
    let mut document = Document::new(DocKind::Case);
    let unknown = r#"{"type":"of_a_newer_version","at":1}"#.to_owned();
    let change = write(&mut document, COUNTY, std::slice::from_ref(&unknown));
    assert_eq!(code(&sign(COUNTY, DocKind::Case, &[&change])), "admitted");
    let mut document = Document::new(DocKind::Case);
    let change = write(&mut document, INSPECTOR, &[unknown]);
    assert_eq!(code(&sign(INSPECTOR, DocKind::Case, &[&change])), "right");
}

#[test]
fn structure_of_a_change() {
    let mut document = Document::new(DocKind::Field);
    let change =
        document.write(&actor(INSPECTOR), NOW, &[note("a"), note("b")], &[("r".to_owned(), "v".to_owned())]).unwrap();
    let head = read_change(&change.raw, &crate::admission::Limits::ADMISSION).unwrap();
    let refused = |edit: &dyn Fn(&mut crate::admission::ChangeHead)| {
        let mut head = head.clone();
        edit(&mut head);
        code(&sign_raw(INSPECTOR, DocKind::Field, vec![encode_change(&head)]))
    };
    assert_eq!(refused(&|_| ()), "admitted");
    assert_eq!(refused(&|head| head.ops[0].key = "0".repeat(32)), "entry_key");
    assert_eq!(refused(&|head| head.ops[0].key = head.ops[0].key.to_uppercase()), "entry_key");
    assert_eq!(refused(&|head| head.ops[0].value.push(' ')), "entry_key");
    assert_eq!(refused(&|head| head.ops[1] = head.ops[0].clone()), "twice");
    assert_eq!(refused(&|head| head.ops[0].object.actor = actor(INSPECTOR)), "container", "a nested object");
    assert_eq!(refused(&|head| head.ops[0].object.actor = actor(SECOND)), "container", "a foreign actor's object");
    assert_eq!(refused(&|head| head.ops[0].object.counter = 3), "container", "the scalar `schema`");
    assert_eq!(refused(&|head| head.ops[0].object.counter = 5), "newer_schema", "perhaps a container to come");
    assert_eq!(refused(&|head| head.ops[2].key.clear()), "register_name");
    assert_eq!(refused(&|head| head.ops[2].key = "x".repeat(65)), "register_name");
    let earlier = crate::admission::OpRef { counter: 1, actor: actor(SECOND) };
    assert_eq!(refused(&|head| head.ops[0].pred.push(earlier)), "overwrite");
    let text = |text: &str| {
        let (key, value) = (crate::doc::Entry::id_of(text).to_string(), text.to_owned());
        refused(&|head| (head.ops[0].key, head.ops[0].value) = (key.clone(), value.clone()))
    };
    assert_eq!(text("[1]"), "entry_text");
    assert_eq!(text("not json"), "entry_text");
    assert_eq!(text(&format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200))), "entry_text", "too deep");
    type Edit<'a> = &'a dyn Fn(&mut crate::admission::ChangeHead);
    let edits: [(Edit<'_>, Malformed); 11] = [
        (&|head| head.deps.clear(), Malformed::NoDeps),
        (&|head| head.seq = 0, Malformed::Range("the sequence number")),
        (&|head| head.seq = 1 << 33, Malformed::Range("the sequence number")),
        (&|head| head.start_op = 0, Malformed::Range("an operation counter")),
        (&|head| head.start_op = u64::from(u32::MAX), Malformed::Range("an operation counter")),
        (&|head| head.time = i64::MAX, Malformed::Range("the time")),
        (&|head| head.ops.clear(), Malformed::Empty),
        (&|head| head.deps.push(head.deps[0]), Malformed::DepOrder),
        (&|head| head.ops[2].pred = vec![earlier, earlier], Malformed::PredOrder),
        (&|head| head.ops[2].key = "k".repeat(300), Malformed::Limit("bytes of a key")),
        (
            &|head| head.deps = (0..65).map(|byte| crate::ids::ChangeHash([byte; 32])).collect(),
            Malformed::Limit("dependencies"),
        ),
    ];
    for (edit, why) in edits {
        let mut head = head.clone();
        edit(&mut head);
        let refusal = check_form(&sign_raw(INSPECTOR, DocKind::Field, vec![encode_change(&head)])).unwrap_err();
        assert_eq!(refusal, Refusal::Malformed { index: 0, why });
        assert!(refusal.is_timeless());
    }
}
