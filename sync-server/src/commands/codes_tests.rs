//! Codes under concurrency and from a file, signs, consents, reports, as they are typed.

use std::collections::BTreeSet;
use std::sync::Arc;

use outlet_core::domain::field::DocumentRef;
use outlet_core::domain::reference::CodeBlock;
use outlet_core::identity::{Level, Role};
use outlet_core::ids::{DocKey, PersonId, PublicKey};
use outlet_core::time::Day;
use serde_json::{Value, json};

use super::tests::run;
use crate::accounts::{self, NewAccount};
use crate::codes::{self, CodesError};
use crate::engine::{Acting, Via};
use crate::testing::{Kit, county, open, outlet};

/// Surveyed outlets of one type, and a city supervisor's account `wang`.
fn kit(numbers: std::ops::Range<u8>, kind: &str) -> (Kit, Vec<DocKey>) {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let keys: Vec<DocKey> = numbers.map(outlet).collect();
    for (number, key) in (1..).zip(&keys) {
        let runs = [
            device.fact(key, "state", "outlet"),
            device.fact(key, "outlet_type", kind),
            device.fact(key, "temporary_number", &format!("T-{number}")),
            device.write(key, json!({"type": "survey", "on": "2021-06-01", "outcome": "complete"})),
            device.write(key, json!({"type": "submit"})),
        ];
        kit.push(&device, &runs);
    }
    let new = NewAccount {
        login: "wang".to_owned(),
        name: "王".to_owned(),
        person: PersonId([9; 16]),
        role: Role::Supervisor,
        level: Some(Level::City),
        collections: vec![county()],
    };
    accounts::add(kit.engine.database(), new, "correct horse", (accounts::COMMANDS, kit.now())).unwrap();
    (kit, keys)
}

fn wang() -> Acting {
    Acting { login: "wang".to_owned(), via: Via::Cli, session: None }
}

fn day() -> Day {
    "2022-03-01".parse().unwrap()
}

const GRANT: [&str; 9] =
    ["codes", "block", "grant", "B1", "--county", "511902", "--document", "川环函〔2022〕1号", "--from"];

fn grant(kit: &Kit, from: &str, to: &str) {
    let _ = run(kit, &[&GRANT[..], &[from, "--to", to, "--json"]].concat()).json();
}

fn file(kit: &Kit, name: &str, text: &str) -> String {
    let path = kit.place.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn two_processes_on_one_database_never_give_one_serial_twice() {
    let (kit, keys) = kit(1..13, "urban_storm");
    grant(&kit, "1", "12");
    let other = Arc::new(open(kit.place.path(), &kit.clock));
    let half = |engine: Arc<crate::engine::Engine>, keys: Vec<DocKey>| {
        std::thread::spawn(move || {
            let one = |key: &DocKey| codes::assign(&engine, &wang(), &[*key], day()).unwrap().remove(0).code;
            keys.iter().map(one).collect::<Vec<String>>()
        })
    };
    let (left, right) = (half(Arc::clone(&kit.engine), keys[..6].to_vec()), half(other, keys[6..].to_vec()));
    let all: Vec<String> = left.join().unwrap().into_iter().chain(right.join().unwrap()).collect();
    let distinct: BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (12, 12));
    assert!(all.iter().all(|code| code.starts_with("FA-511902-00") && code.ends_with("-QT-00")), "{all:?}");
    let rows = kit.rows();
    let shown: BTreeSet<String> = rows
        .iter()
        .map(|(_, row, _)| serde_json::from_str::<Value>(row).unwrap()["national_code"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(shown.iter().collect::<BTreeSet<_>>(), distinct, "every decision is in the ledger");
}

#[test]
fn a_code_is_refused_before_anything_is_written_and_a_cancelled_serial_stays_used() {
    let (kit, keys) = kit(1..3, "urban_storm");
    let id = keys[0].id.to_string();
    run(&kit, &["codes", "assign", &id, "--as", "wang"]).fails(
        1,
        "no block of county 511902",
        "record what the platform granted",
    );
    grant(&kit, "1", "2");
    run(&kit, &[&GRANT[..], &["1", "--to", "2"]].concat()).fails(
        1,
        "there is a block \"B1\" already",
        "choose another name",
    );
    let given = run(&kit, &["codes", "assign", &id, "--as", "wang", "--json"]).json();
    assert_eq!((&given[0]["code"], &given[0]["block"]), (&json!("FA-511902-0001-QT-00"), &json!("B1")));
    run(&kit, &["codes", "assign", &id, "--as", "wang"]).fails(1, "it has FA-511902-0001-QT-00", "");
    let both = codes::assign(&kit.engine, &wang(), &keys, day());
    assert!(matches!(both, Err(CodesError::Outlet { .. })), "one that cannot stops all: {both:?}");
    assert_eq!(run(&kit, &["codes", "block", "list", "--json"]).json()[0]["used"], 1);
    // Cancelling the code does not give its serial back.
    let seen = kit.engine.seen(&keys[0]).unwrap().unwrap();
    let cancel = json!({"type": "code", "system": "national", "code": "FA-511902-0001-QT-00", "source": "block",
                        "cancelled": true, "note": "错号", "at": 0});
    kit.engine.decide(&wang(), keys[0], seen, vec![serde_json::from_value(cancel).unwrap()]).unwrap();
    let next = codes::assign(&kit.engine, &wang(), &[keys[0]], day()).unwrap();
    assert_eq!(next[0].code, "FA-511902-0002-QT-00");
    let none = codes::assign(&kit.engine, &wang(), &[keys[1]], day());
    assert!(matches!(none, Err(CodesError::NoBlock { ref blocks, .. }) if blocks[0].contains("used up")), "{none:?}");
}

#[test]
fn two_servers_do_not_hold_one_block_and_unverified_letters_are_not_guessed() {
    let (kit, keys) = kit(1..2, "livestock_large");
    let block = |id: &str, holder: PublicKey, from: u16, to: u16| CodeBlock {
        id: id.to_owned(),
        basin: "FA".to_owned(),
        county: 511_902,
        from,
        to,
        document: DocumentRef::default(),
        holder,
        epoch: kit.engine.folder.epoch().unwrap(),
        by: "wang".to_owned(),
        at: kit.now(),
    };
    codes::put_block(&kit.engine, block("theirs", PublicKey([7; 32]), 1, 50)).unwrap();
    run(&kit, &[&GRANT[..], &["40", "--to", "90"]].concat()).fails(
        1,
        "it overlaps a block that another server holds",
        "two servers must not hold one serial",
    );
    let assigned = codes::assign(&kit.engine, &wang(), &keys, day());
    assert!(
        matches!(assigned, Err(CodesError::Outlet { ref why, .. }) if why.to_string().contains("type letters")),
        "{assigned:?}"
    );
    // The same as if another server's block arrived by a sync later: neither is used.
    codes::put_block(&kit.engine, block("ours", kit.engine.folder.key().public(), 50, 60)).unwrap();
    let list = run(&kit, &["codes", "block", "list", "--json"]).json();
    assert!(list[0]["unusable"].as_str().unwrap().contains("overlaps"), "{list}");
    let _ = run(&kit, &["codes", "block", "take-over", "ours", "--from", "51", "--json"]).json();
    assert_eq!(run(&kit, &["codes", "block", "list", "--json"]).json()[0]["unusable"], Value::Null);
    let _ = run(&kit, &["codes", "block", "withdraw", "ours", "--json"]).json();
    assert!(run(&kit, &["codes", "block", "list"]).out.contains("withdrawn"));
}

#[test]
fn received_codes_are_recorded_all_or_none() {
    let (kit, _) = kit(1..4, "urban_storm");
    let record = |text: &str| {
        let file = file(&kit, "c.csv", text);
        run(
            &kit,
            &[
                "codes",
                "record",
                &file,
                "--document",
                "平台回执0412",
                "--document-dated",
                "2022-02-20",
                "--as",
                "wang",
                "--json",
            ],
        )
    };
    let good = record("排口,编码,下发日期\nT-1,FA-511902-0412-QT-00,2022/02/18\nT-2,FA5119020413GY00,\n").json();
    assert_eq!(good["given"].as_array().unwrap().len(), 2);
    assert!(
        good["given"][1]["findings"][0].as_str().unwrap().contains("GY"),
        "odd letters are noted, never refused: {good}"
    );
    let again = record("排口,编码\nT-1,FA-511902-0412-QT-00\n").json();
    assert_eq!((&again["known"], again["given"].as_array().unwrap().len()), (&json!(1), 0));
    let bad =
        record("排口,编码\nT-3,FA-511902-0412-QT-00\nT-9,FA-511902-0500-QT-00\nT-1,FA-511902-0501-QT-00\nT-3,何\n");
    assert_eq!(bad.code, 1);
    for why in ["that of another outlet", "no outlet is called", "cancel that one first", "not a national outlet code"]
    {
        assert!(bad.out.contains(why), "{why}: {}", bad.out);
    }
    assert!(bad.err.contains("4 lines are wrong; nothing was recorded"), "{}", bad.err);
    assert_eq!(run(&kit, &["codes", "conflicts", "--json"]).json(), json!([]));
    let mut device = kit.member(2, Role::Inspector, None);
    // A second record, on whose sign somebody read the code of the first.
    let twin = device.fact(&outlet(40), "national_code", "FA-511902-0412-QT-00");
    kit.push(&device, &[twin]);
    let conflicts = run(&kit, &["codes", "conflicts", "--json"]);
    assert_eq!(conflicts.code, 3);
    assert!(conflicts.out.contains("FA-511902-0412-QT-00"), "{}", conflicts.out);
}

#[test]
fn a_sign_has_its_text_and_qr_code_from_the_ledger() {
    let (kit, keys) = kit(1..2, "urban_storm");
    let id = keys[0].id.to_string();
    let early = run(&kit, &["signs", "qr", &id]);
    assert!(early.code == 1 && early.err.contains("has no code yet"), "{}", early.err);
    grant(&kit, "7", "9");
    let _ = run(&kit, &["codes", "assign", &id, "--as", "wang"]);
    std::fs::write(
        kit.place.path().join("server.toml"),
        "[public]\nurl = \"https://example.org/\"\nhotline = \"12369\"\n",
    )
    .unwrap();
    let text = run(&kit, &["signs", "text", "FA-511902-0007-QT-00", "--json"]);
    assert_eq!(text.code, 3, "name and department are missing before a sign can be made");
    let value: Value = serde_json::from_str(&text.out).unwrap();
    assert_eq!(value["url"], "https://example.org/p/FA-511902-0007-QT-00");
    assert!(value["lines"].as_array().unwrap().iter().any(|line| line["text"] == "12369"));
    let svg = run(&kit, &["signs", "qr", &id]).out;
    assert!(svg.starts_with("<svg") && svg.contains("viewBox"), "{svg}");
    let png = kit.place.path().join("q.png");
    assert_eq!(run(&kit, &["signs", "qr", &id, "--format", "png", "-o", &png.display().to_string()]).code, 0);
    let picture = image::open(&png).unwrap();
    assert!(picture.width() == picture.height() && picture.width() > 200);
    let list = run(&kit, &["signs", "list", "--json"]).json();
    assert_eq!((&list[0]["sign"], &list[0]["code"]), (&json!("none"), &json!("FA-511902-0007-QT-00")));
}

#[test]
fn consents_and_reports_are_listed_and_answered() {
    let (kit, _) = kit(1..3, "urban_storm");
    let unapproved = run(&kit, &["consents", "unapproved", "--json"]).json();
    assert_eq!((unapproved.as_array().unwrap().len(), &unapproved[0]["why"]), (2, &json!("nothing recorded")));
    let mut device = kit.member(1, Role::Inspector, None);
    let consent = json!({"type": "consent", "regime": "approval", "kind": "new", "authority": "巴中市生态环境局",
                         "number": "巴环审〔2025〕9号", "on": "2025-03-02", "first_used_on": "2024-01-01"});
    let other = outlet(50);
    let runs = [
        device.write(&other, consent),
        device.fact(&other, "outlet_type", "urban_storm"),
        device.fact(&other, "state", "outlet"),
        device.write(&other, json!({"type": "survey", "on": "2021-06-01", "outcome": "complete"})),
    ];
    kit.push(&device, &runs);
    let differs = run(&kit, &["consents", "differences", "--json"]).json();
    let codes: BTreeSet<&str> = differs.as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert!(codes.contains("used_before_consent") && codes.contains("regime_differs"), "{differs}");
    let new =
        crate::reports::NewReport {
            code: "X".to_owned(), text: "看到\u{1b}[31m污水".to_owned(), ..Default::default()
        };
    let number = crate::reports::take(&kit.engine, &new, 9).unwrap();
    let listed = run(&kit, &["reports", "list"]).out;
    assert!(listed.contains(&number) && !listed.contains('\u{1b}'), "{listed:?}");
    run(&kit, &["reports", "promote", &number, "--to", "reopen"]).fails(
        1,
        "the code of no outlet",
        "promote it --to suspected",
    );
    assert_eq!(run(&kit, &["reports", "answer", &number, "雨水", "--reject", "--json"]).json()["state"], "rejected");
    assert_eq!(run(&kit, &["reports", "list", "--json"]).json(), json!([]));
    assert_eq!(run(&kit, &["reports", "show", &number, "--json"]).json()["answer"], "雨水");
    run(&kit, &["reports", "show", "R0"]).fails(1, "there is no report", "`outlet-server reports list --all`");
}
