//! Every question against a plain model: all rows in a list, filtered and sorted in memory.

use outlet_core::ids::{Collection, DocKey};
use outlet_core::ledger::LedgerRow;
use outlet_core::time::Day;

use super::testing::{COUNTIES, Dice, World, key};
use super::*;

/// Does the plain model show the row?
fn fits(row: &LedgerRow, filter: &Filter) -> bool {
    let columns = Columns::of(row);
    let values = columns.values();
    let text = columns.text.clone();
    let pieces = filter.text.as_deref().map(grams::pieces);
    filter.scope().holds(row.collection)
        && filter.values.iter().all(|(dimension, wanted)| {
            wanted.iter().any(|wanted| values.iter().any(|(own, value)| own == dimension && value == wanted))
        })
        && filter.flags.iter().all(|flag| columns.flags.contains(flag))
        && filter.dates.iter().all(|(column, span)| {
            let at = DateColumn::ALL.iter().position(|own| own == column).unwrap();
            columns.dates[at]
                .is_some_and(|day| span.from.is_none_or(|from| day >= from) && span.to.is_none_or(|to| day <= to))
        })
        && filter.bbox.is_none_or(|bbox| row.lon.zip(row.lat).is_some_and(|(lon, lat)| bbox.holds(lon, lat)))
        && filter.party.as_ref().is_none_or(|party| row.primary_party.as_ref() == Some(party))
        && filter.overdue_on.is_none_or(|today| columns.due.is_some_and(|due| due < today))
        && pieces.is_none_or(|pieces| !pieces.is_empty() && pieces.iter().all(|piece| text.contains(piece.as_str())))
}

fn sort_text(row: &LedgerRow, column: SortColumn) -> Option<String> {
    let columns = Columns::of(row);
    match column {
        SortColumn::Changed => unreachable!("versions are not in the row"),
        SortColumn::Name => columns.name,
        SortColumn::Number => columns.number,
        SortColumn::Party => columns.party,
        SortColumn::Date(column) => {
            let at = DateColumn::ALL.iter().position(|own| *own == column).unwrap();
            columns.dates[at].map(|day| day.to_string())
        }
        SortColumn::Value(dimension) => columns
            .values()
            .into_iter()
            .find(|(own, value)| *own == dimension && !value.is_empty())
            .map(|(_, value)| value),
    }
}

/// Reads every page; checks that each but the last is full.
fn all_pages(world: &World, query: &Query) -> Vec<Entry> {
    let mut all = Vec::new();
    let mut query = query.clone();
    loop {
        // Through the text of an address, as pages do.
        let again = Query::parse(query.filter.scope().clone(), &query.text(), today()).unwrap();
        assert_eq!(again, query);
        let page = world.read(|connection| page(connection, &again));
        let more = page.next.is_some();
        assert!(!more || page.entries.len() == query.limit);
        all.extend(page.entries);
        query.after = page.next;
        if !more {
            let total = world.read(|connection| count(connection, &query.filter));
            assert_eq!(total, Total::Exactly(all.len() as u64), "{}", query.text());
            return all;
        }
    }
}

fn today() -> Day {
    "2021-09-01".parse().unwrap()
}

fn questions(dice: &mut Dice) -> Query {
    let scope = if dice.roll(3) == 0 {
        Scope::of(COUNTIES[..2].iter().map(|code| Collection::from_code(*code).unwrap()))
    } else {
        Scope::everything()
    };
    let texts = ["", "class=ban", "class=ban&class=", "county=511902&state=decided", "county=", "flag=conflict"];
    let more = [
        "",
        "surveyed_on=2021-03-05..2021-08-20",
        "surveyed_on=2021-03-05..2021-03-20",
        "surveyed_on=2021-03-01..2021-03-31",
        "surveyed_on=2021-03-15..",
        "surveyed_on=..2021-05-31",
        "surveyed_on=2021-06-01..2021-05-31",
        "bbox=106.4,31.6,106.9,32.2",
        "bbox=106.5,31.9,106.5,31.9",
        "bbox=-180,-90,180,90",
        "q=%E5%8D%97%E6%B1%9F",
        "q=%E6%B1%9F",
        "q=n-01",
        "q=T-0012",
        "q=01+%E9%9B%A8%E6%B0%B4",
        "q=%3Cscript%3E",
        "q=%22",
        "q=%E5%8D%97%E6%B1%9F%E6%B1%A1",
        "party=%E4%BC%81%E4%B8%9A1",
        "overdue=true",
        "problem=dry_weather_discharge&type=",
        "plan_due=2022-12-31",
    ];
    let text = format!("{}&{}", dice.pick(&texts), dice.pick(&more));
    let mut query = Query::parse(scope, &text, today()).unwrap();
    query.limit = *dice.pick(&[3_usize, 9, 50, 500]);
    query
}

#[test]
fn every_page_of_every_question_is_what_a_plain_list_says() {
    let world = World::filled(250);
    let mut dice = Dice(3);
    let columns: Vec<SortColumn> = SortColumn::all().collect();
    for _ in 0..250 {
        let mut query = questions(&mut dice);
        let column = *dice.pick(&columns);
        let direction = *dice.pick(&[Direction::Up, Direction::Down]);
        query.sort = Sort { column, direction };
        let found = all_pages(&world, &query);
        let mut wanted: Vec<&LedgerRow> = world.rows.values().filter(|row| fits(row, &query.filter)).collect();
        let mut keys: Vec<DocKey> = found.iter().map(|entry| entry.key).collect();
        keys.sort();
        assert_eq!(keys, wanted.iter().map(|row| row.key).collect::<Vec<_>>(), "{}", query.text());
        let order: Vec<Option<String>> = if column == SortColumn::Changed {
            found.iter().map(|entry| Some(format!("{:09}", entry.version))).collect()
        } else {
            found.iter().map(|entry| sort_text(&entry.row, column)).collect()
        };
        wanted.sort_by_key(|row| row.key);
        let split = order.iter().position(Option::is_none).unwrap_or(order.len());
        assert!(order[split..].iter().all(Option::is_none), "what is absent comes last: {}", query.text());
        let in_order = order[..split].windows(2).all(|pair| match direction {
            Direction::Up => pair[0] <= pair[1],
            Direction::Down => pair[0] >= pair[1],
        });
        assert!(in_order, "{}: {order:?}", query.text());
    }
}

#[test]
fn the_maintained_tables_equal_rebuilt_ones_and_ids_stay() {
    let world = World::filled(300);
    let before = world.dump();
    let versions = world.read(|connection| {
        let mut statement = connection.prepare("SELECT id, version FROM ledger ORDER BY id")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?)
    });
    world
        .database
        .write::<_, DbError>(|tx| {
            let mut writer = Writer::rebuild(tx)?;
            for row in world.rows.values() {
                writer.put(&row.key, &to_text(row), "[]", &Columns::of(row))?;
            }
            writer.finish()
        })
        .unwrap();
    assert_eq!(world.dump(), before);
    let again = world.read(|connection| {
        let mut statement = connection.prepare("SELECT id, version FROM ledger ORDER BY id")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?)
    });
    assert_eq!(again, versions);
    let found = world.read(|connection| {
        let query = Query::parse(Scope::everything(), "q=%E5%8D%97%E6%B1%9F", today()).unwrap();
        page(connection, &query)
    });
    assert!(!found.entries.is_empty(), "the words are there again");
}

#[test]
fn counts_follow_every_change_and_respect_the_scope() {
    let world = World::filled(300);
    for scope in [Scope::everything(), Scope::of([Collection::from_code(COUNTIES[0]).unwrap()]), Scope::of([])] {
        let overview = world.read(|connection| overview(connection, &scope, today()));
        let rows: Vec<&LedgerRow> = world.rows.values().filter(|row| scope.holds(row.collection)).collect();
        assert_eq!(overview.total, rows.len() as u64);
        let count = |test: &dyn Fn(&LedgerRow) -> bool| rows.iter().filter(|row| test(row)).count() as u64;
        assert_eq!(overview.count(Dimension::Class, "ban"), count(&|row| row.classification.as_deref() == Some("ban")));
        assert_eq!(overview.count(Dimension::Class, ""), count(&|row| row.classification.is_none()));
        assert_eq!(overview.flag(Flag::Conflict), count(&|row| !row.conflicts.is_empty()));
        assert_eq!(overview.overdue, count(&|row| Columns::of(row).due.is_some_and(|due| due < today())));
        assert_eq!(overview.due, count(&|row| Columns::of(row).due.is_some_and(|due| due >= today())));
        let filter = Filter::new(scope).with(Dimension::Class, "ban");
        let found = world.read(|connection| facets(connection, &filter, &[Dimension::Township, Dimension::Class]));
        assert!(found.exact);
        let all = |at: usize| found.by[at].iter().map(|(_, count)| count).sum::<u64>();
        assert_eq!(all(0), overview.count(Dimension::Class, "ban"));
        assert_eq!(all(1), overview.total, "another class can be chosen");
    }
    // A rare text narrows the numbers, a common one is said not to.
    for (text, exact) in [("t-0007", true), ("镇1", false)] {
        let filter = Filter { text: Some(text.to_owned()), ..Filter::new(Scope::everything()) };
        let found = world.read(|connection| facets(connection, &filter, &[Dimension::County]));
        let sum = found.by[0].iter().map(|(_, count)| count).sum::<u64>();
        assert_eq!((found.exact, if exact { sum == 1 } else { sum == 300 }), (exact, true), "{text}: {sum}");
    }
}

#[test]
fn a_scope_hides_rows_from_every_question() {
    let world = World::filled(60);
    let own = Scope::of([Collection::from_code(COUNTIES[0]).unwrap()]);
    let hidden = key(1);
    assert!(world.read(|connection| one(connection, &own, &hidden)).is_none());
    assert!(world.read(|connection| one(connection, &Scope::everything(), &hidden)).is_some());
    let query = Query::parse(own, "collection=511921", today()).unwrap();
    assert!(world.read(|connection| page(connection, &query)).entries.is_empty());
}

#[test]
fn equal_rows_change_nothing_and_a_changed_one_gets_a_new_version() {
    let mut world = World::filled(30);
    let version_of = |world: &World| world.read(version);
    let before = version_of(&world);
    world.put(world.rows.values().cloned().collect());
    assert_eq!(version_of(&world), before);
    let mut changed = world.rows[&key(4)].clone();
    changed.name = Some("新名称".into());
    world.put(vec![changed]);
    assert_eq!(version_of(&world), before + 1);
    let text = format!("changed_after={before}");
    let query = Query::parse(Scope::everything(), &text, today()).unwrap();
    let page = world.read(|connection| page(connection, &query));
    assert_eq!(page.entries.iter().map(|entry| entry.key).collect::<Vec<_>>(), [key(4)]);
}
