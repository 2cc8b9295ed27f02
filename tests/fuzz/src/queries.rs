//! What anybody may write behind the `?` of an address.

use std::cell::OnceCell;

use outlet_core::time::Day;
use outlet_server::db::Database;
use outlet_server::folder::Folder;
use outlet_server::inventory::{self, Dimension, Query, Scope};
use outlet_server::web::api::ogc_query;

use crate::{Grant, Target, seeds};

pub(crate) fn targets() -> Vec<Target> {
    // SQLite's cache is the process's, and statements are kept.
    let grant = Grant { fixed: 16 << 20, per_byte: 512 };
    vec![
        Target { name: "inventory_query", seeds: lists, decode: list, grant },
        Target { name: "ogc_query", seeds: items, decode: ogc, grant },
    ]
}

fn today() -> Day {
    "2022-03-01".parse().expect("a day")
}

/// Asks an empty inventory: whatever was read as a question is one that the database understands.
fn ask(query: &Query) {
    thread_local! {
        static DATABASE: OnceCell<(tempfile::TempDir, Database)> = const { OnceCell::new() };
    }
    let make = || {
        let place = tempfile::tempdir().expect("a temporary folder");
        Folder::init(place.path(), seeds::NOW).expect("a new data folder");
        let database = Database::open(&place.path().join(outlet_server::db::FILE)).expect("a new database");
        (place, database)
    };
    DATABASE.with(|made| {
        let (_, database) = made.get_or_init(make);
        let asked = database.read::<_, outlet_server::db::DbError>(|tx| {
            let page = inventory::page(tx, query)?;
            assert!(page.entries.is_empty() && page.next.is_none(), "an empty inventory");
            inventory::facets(tx, &query.filter, &[Dimension::Class])?;
            inventory::parties(tx, query, None).expect("parties of what can be asked");
            inventory::count(tx, &query.filter)
        });
        asked.expect("a question that was read can be asked");
    });
}

fn lists() -> Vec<Vec<u8>> {
    let text = "county=511902&class=ban&class=merge&flag=conflict&surveyed_on=2021-01-01..&bbox=106,31,107,32.5\
                &q=%E5%8D%97%E6%B1%9F%20%3Cb%3E&overdue=true&party=x&changed_after=3&sort=-township&limit=20";
    let query = |text: &str| Query::parse(Scope::everything(), text, today()).expect("an honest address");
    let mut all: Vec<Vec<u8>> = ["", "q=%22%2A%22", "sort=name&class="].map(|text| text.as_bytes().to_vec()).to_vec();
    all.push(query(text).text().into_bytes());
    all.push(b"q=\xe6\xb1\x9f%20NEAR(a%20b)%20OR%20-x&sort=changed".to_vec());
    all
}

fn list(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(query) = Query::parse(Scope::of([seeds::county()]), text, today()) {
        let again = Query::parse(Scope::of([seeds::county()]), &query.text(), today()).expect("own text is readable");
        assert_eq!(again, query);
        ask(&query);
    }
}

fn items() -> Vec<Vec<u8>> {
    [
        "limit=10&bbox=106,31,0,107,32,9&datetime=2021-03-05T00:00:00Z/..&county=511902&primary_party=x&f=json",
        "bbox=170,-10,-170,10&datetime=../2021-03-06&classification=ban&classification=merge",
        "limit=99999999&cursor=AAAA",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

fn ogc(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(query) = ogc_query(Scope::everything(), text) {
        ask(&query);
    }
}
