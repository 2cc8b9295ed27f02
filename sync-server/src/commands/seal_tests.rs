//! Seals, notices and assessments as they are typed.

use calamine::{Data, Reader as _, Xlsx, open_workbook};
use outlet_core::identity::Role;
use rusqlite::params;
use serde_json::{Value, json};

use super::tests::run;
use crate::db::DbError;
use crate::testing::{Kit, outlet};

/// A server with two outlets of one unit, a supervisor `li` and a viewer `gu`.
fn kit() -> Kit {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    for number in 1..=2 {
        let key = outlet(number);
        let facts = [("state", "outlet"), ("name", "=1+1"), ("management_unit", "511902"), ("county", "511902")];
        let runs: Vec<_> = facts.iter().map(|(field, value)| device.fact(&key, field, value)).collect();
        kit.push(&device, &runs);
    }
    let pw = kit.place.path().join("pw.txt");
    std::fs::write(&pw, "correct horse\n").unwrap();
    let pw = pw.display().to_string();
    for (login, rights) in [("li", &["--role", "supervisor", "--level", "city"][..]), ("gu", &["--role", "viewer"])] {
        let more = ["--name", login, "--collection", "511902", "--password-file", &pw];
        kit.runs(&[&["account", "add", login][..], rights, &more[..]].concat());
    }
    kit
}

const SEAL: [&str; 9] = ["seal", "--what", "ledger", "--unit", "511902", "--on", "2022-03-01", "--document", "1号"];

#[test]
fn a_sealed_file_verifies_and_a_tampered_one_does_not() {
    let kit = kit();
    run(&kit, &["seal", "--what", "ledger", "--unit", "x", "--on", "2022-03-01"]).fails(
        2,
        "\"x\" is no management unit",
        "give a county code",
    );
    let early = run(&kit, &["seal", "--what", "ledger", "--unit", "511902", "--on", "2099-01-01"]);
    assert!(early.code == 1 && early.err.contains("in the future"), "{}", early.err);
    let sealed = run(&kit, &[&SEAL[..], &["--json"]].concat()).json();
    let hash = sealed["sha256"].as_str().unwrap().to_owned();
    let path = kit.place.path().join("sealed.csv").display().to_string();
    assert_eq!(run(&kit, &["seal", "export", &hash, "--output", &path]).code, 0);
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3, "a header and both outlets");
    let good = run(&kit, &["seal", "verify", &path, "--json"]).json();
    assert_eq!((&good[0]["state"], &good[0]["sha256"]), (&json!("as_sealed"), &json!(hash)));
    assert!(good[0]["signed_by"].is_string(), "{good}");
    assert_eq!(run(&kit, &["seal", "verify", "--json"]).json()[0]["state"], "as_sealed");

    // The file that somebody hands in was changed.
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}x")).unwrap();
    run(&kit, &["seal", "verify", &path]).fails(1, "no seal names this file", "it was changed after it was sealed");

    // The file that is kept was changed, or removed.
    let kept = |sql: &str, bytes: &[u8]| {
        let database = kit.engine.database();
        database.write::<_, DbError>(|tx| Ok(tx.execute(sql, params![bytes])?)).unwrap();
        let ran = run(&kit, &["seal", "verify", "--json"]);
        (ran.code, serde_json::from_str::<Value>(&ran.out).unwrap()[0]["state"].clone())
    };
    assert_eq!(kept("UPDATE sealed_file SET bytes = ?1", b"another"), (1, json!("changed")));
    assert_eq!(kept("DELETE FROM sealed_file WHERE ?1 IS NOT NULL", b""), (1, json!("missing")));
    run(&kit, &["seal", "export", &hash]).fails(1, "no sealed file has the hash", "`outlet-server seal list`");
}

#[test]
fn a_seal_that_nobody_signed_is_told_from_one_that_was() {
    let kit = kit();
    let sealed = run(&kit, &[&SEAL[..], &["--json"]].concat()).json();
    assert!(sealed["sha256"].is_string());
    // The signed run is gone: the entry in the document alone proves nothing.
    let seals = crate::seals::key().to_bytes();
    let database = kit.engine.database();
    let removed =
        database.write::<_, DbError>(|tx| Ok(tx.execute("UPDATE runs SET run = x'00' WHERE doc = ?1", [&seals[..]])?));
    assert_eq!(removed.unwrap(), 1);
    let ran = run(&kit, &["seal", "verify", "--json"]);
    let verified: Value = serde_json::from_str(&ran.out).unwrap_or_default();
    assert!(ran.code != 0 && verified[0]["state"] != "as_sealed", "{} {}", ran.out, ran.err);
}

#[test]
fn notices_are_registered_by_who_may_and_listed_newest_first() {
    let kit = kit();
    let add = |kind: &str, unit: &str, on: &str, login: &str| {
        let args = ["notice", "add", "--kind", kind, "--unit", unit, "--milestone", "m3", "--on", on];
        run(&kit, &[&args[..], &["--document", "巴环函〔2023〕7号", "--as", login, "--json"]].concat())
    };
    assert_eq!(run(&kit, &["notice", "list", "--json"]).json(), json!([]));
    let first = add("circular", "511902", "2022-01-10", "li").json();
    assert_eq!((&first["kind"], &first["milestone"], &first["by"]), (&json!("circular"), &json!("M3"), &json!("li")));
    assert_eq!(first["document"]["number"], "巴环函〔2023〕7号");
    for (kind, unit, on) in [("talk", "511903", "2022-02-20"), ("commend", "511971", "2022-02-01")] {
        let _ = add(kind, unit, on, "li").json();
    }
    let viewer = add("circular", "511902", "2022-01-10", "gu");
    assert!(viewer.code == 1 && viewer.err.contains("a viewer reads"), "{}", viewer.err);
    let unit = add("circular", "巴州区", "2022-01-10", "li");
    assert!(unit.code == 2 && unit.err.contains("is no management unit"), "{}", unit.err);
    assert_eq!(add("praise", "511902", "2022-01-10", "li").code, 2);
    let kinds = |args: &[&str]| -> Vec<String> {
        let listed = run(&kit, &[&["notice", "list", "--json"], args].concat()).json();
        listed.as_array().unwrap().iter().map(|notice| notice["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(kinds(&[]), ["talk", "commend", "circular"]);
    assert_eq!(kinds(&["--unit", "511903"]), ["talk"]);
    assert_eq!(kinds(&["--unit", "511921"]), Vec::<String>::new());
}

#[test]
fn the_workbook_of_an_assessment_has_every_unit_and_its_open_outlets_as_text() {
    let kit = kit();
    let path = kit.place.path().join("assess.xlsx");
    let shown = path.display().to_string();
    let args = ["assess", "--milestone", "m2", "--as-of", "2022-12-31", "--xlsx", &shown, "--json"];
    let assessment = run(&kit, &args).json();
    let unit = assessment["units"].as_array().unwrap().iter().find(|unit| unit["unit"] == "511902").unwrap();
    let mut book: Xlsx<_> = open_workbook(&path).unwrap();
    assert_eq!(book.sheet_names(), ["考核单位", "未完成排口", "逾期完成", "延期"].map(str::to_owned));
    let units = book.worksheet_range("考核单位").unwrap();
    let row = units.rows().find(|row| row[0] == Data::String(unit["addressee"].as_str().unwrap().to_owned())).unwrap();
    assert_eq!((&row[3], &row[4]), (&Data::Float(0.0), &Data::Float(2.0)), "done and of are numbers");
    let open = book.worksheet_range("未完成排口").unwrap();
    assert_eq!(open.height(), 3, "a header and both outlets");
    let ids: Vec<String> = open.rows().skip(1).map(|row| row[1].to_string()).collect();
    for number in 1..=2 {
        assert!(ids.contains(&outlet(number).id.to_string()), "{ids:?}");
    }
    assert!(book.worksheet_formula("未完成排口").unwrap().is_empty(), "nothing runs as a formula");
    run(&kit, &["assess", "--milestone", "M9"]).fails(1, "has no M9", "it has M1");
}
