//! A column mapping as a form: one select for each column of the table, and what holds for the whole
//! file. What a saved mapping has beyond that (values, further positions) is carried along.

use std::collections::BTreeMap;

use outlet_core::ids::Collection;
use outlet_core::import::{Columns, Mapping, MappingError, PositionColumns, Rest, StartState, TARGETS, suggest};

use super::{Form, Page};
use crate::import::{self, Item, ReadError, ReadOptions};
use crate::uploads::Upload;

/// Columns on the page: more than any inventory seen has.
const MOST_COLUMNS: usize = 200;
/// Rows shown beside the columns.
const EXAMPLES: usize = 3;
/// Longest example, in characters.
const LONGEST: usize = 40;
/// What a column can be beside a fact.
const PLACES: [&str; 4] = ["lon", "lat", "datum", "source_id"];

/// A column of the table.
pub(super) struct Column {
    /// Name of its select.
    pub field: String,
    pub name: String,
    pub examples: Vec<String>,
}

/// Everything a column can become, with its label.
pub(super) fn targets(page: &Page) -> Vec<(String, String)> {
    let places = PLACES.iter().map(|code| ((*code).to_owned(), page.t_of("target", &code.replace('_', "-"))));
    places.chain(TARGETS.iter().map(|code| ((*code).to_owned(), page.column(code)))).collect()
}

fn options(form: &Form) -> ReadOptions {
    ReadOptions {
        encoding: form.given("encoding").map(str::to_owned),
        sheet: form.given("sheet").map(str::to_owned),
        skip_rows: form.value("skip_rows").parse().unwrap_or(0),
        header_rows: form.value("header_rows").parse().unwrap_or(1).clamp(1, 5),
    }
}

/// Columns with their first rows, and what the reader has to say.
pub(super) fn look(upload: &Upload, form: &Form) -> Result<(Vec<Column>, Vec<String>), ReadError> {
    let (mut columns, mut notes, mut seen) = (Vec::<Column>::new(), Vec::new(), 0);
    let outcome = import::read(&upload.path, &options(form), &mut |item| {
        match item {
            Item::Head(names) => {
                let column = |(at, name)| Column { field: format!("c{at}"), name, examples: Vec::new() };
                columns = names.into_iter().take(MOST_COLUMNS).enumerate().map(column).collect();
            }
            Item::Row(row) => {
                seen += 1;
                for (at, column) in columns.iter_mut().enumerate() {
                    let text: String = row.cell(at).text().unwrap_or_default().chars().take(LONGEST).collect();
                    column.examples.push(text);
                }
            }
            Item::Note(note) => notes.push(note),
        }
        seen < EXAMPLES
    });
    match outcome {
        Err(error) if columns.is_empty() => Err(error),
        _ => Ok((columns, notes)),
    }
}

/// The form as it begins: by a saved mapping, or by what the names of the columns suggest.
pub(super) fn begin(upload: &Upload, saved: Option<&Mapping>, form: Form) -> Form {
    let mut form = form;
    let stem = upload.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some(mapping) = saved {
        form = file_fields(Form::default().with("base", mapping.name.clone()), mapping);
    }
    let names: Vec<String> = match look(upload, &form) {
        Ok((columns, _)) => columns.into_iter().map(|column| column.name).collect(),
        Err(_) => Vec::new(),
    };
    let suggested = suggest(&stem, &names);
    let mapping = saved.unwrap_or(&suggested);
    if saved.is_none() {
        let keep = ["encoding", "sheet", "skip_rows", "header_rows", "collection", "datum", "state", "rest", "base"];
        let kept = keep.map(|name| (name, form.value(name).to_owned()));
        let mut fresh = Form::default();
        for (name, value) in kept.into_iter().filter(|(_, value)| !value.is_empty()) {
            fresh = fresh.with(name, value);
        }
        let name = form.given("name").unwrap_or(&stem).to_owned();
        form = fresh.with("name", name);
    }
    let position = mapping.positions.first();
    if let Some(datum) = position.and_then(|position| position.datum.as_deref())
        && form.given("datum").is_none()
    {
        form = form.with("datum", datum);
    }
    let target = |name: &str| {
        let in_position = |columns: fn(&PositionColumns) -> &Columns| {
            position.is_some_and(|position| columns(position).names().iter().any(|own| own == name))
        };
        if in_position(|position| &position.lon) {
            return Some("lon");
        }
        if in_position(|position| &position.lat) {
            return Some("lat");
        }
        if position.is_some_and(|position| position.datum_column.as_deref() == Some(name)) {
            return Some("datum");
        }
        let fact = TARGETS.into_iter().find(|fact| {
            mapping.columns.get(*fact).is_some_and(|columns| columns.names().iter().any(|own| own == name))
        });
        fact.or_else(|| {
            let ids = mapping.source_id.as_ref()?;
            ids.names().iter().any(|own| own == name).then_some("source_id")
        })
    };
    for (at, name) in names.iter().enumerate() {
        if let Some(code) = target(name).filter(|_| !name.is_empty()) {
            form = form.with(&format!("c{at}"), code);
        }
    }
    form
}

fn file_fields(form: Form, mapping: &Mapping) -> Form {
    let mut form = form.with("name", mapping.name.clone());
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            form = std::mem::take(&mut form).with(name, value);
        }
    };
    put("list", mapping.list.clone());
    put("collection", mapping.collection.map(|county| county.to_string()));
    put("state", Some(mapping.state.code().to_owned()));
    put("encoding", mapping.encoding.clone());
    put("sheet", mapping.sheet.clone());
    put("skip_rows", Some(mapping.skip_rows.to_string()).filter(|_| mapping.skip_rows > 0));
    put("header_rows", Some(mapping.header_rows.to_string()).filter(|_| mapping.header_rows > 1));
    put("rest", Some(if mapping.rest == Rest::Note { "note" } else { "drop" }.to_owned()));
    form
}

/// Reads the form; nothing when a field is wrong, and then the form says which.
pub(super) fn read(page: &Page, form: &mut Form, upload: &Upload, base: Option<&Mapping>) -> Option<Mapping> {
    // Where the file cannot be read, the page says why.
    let Ok((columns, _)) = look(upload, form) else { return None };
    let mut by_target: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for column in &columns {
        let Some(chosen) = form.given(&column.field) else { continue };
        let known = PLACES.into_iter().chain(TARGETS).find(|code| *code == chosen);
        match known {
            Some(code) => by_target.entry(code).or_default().push(column.name.clone()),
            None => form.fail(&column.field, page.t("wrong-needed")),
        }
    }
    let joined = |names: Vec<String>| match <[String; 1]>::try_from(names) {
        Ok([only]) => Columns::One(only),
        Err(several) => Columns::Several(several),
    };
    let name = form.value("name").to_owned();
    if name.is_empty() {
        form.fail("name", page.t("wrong-needed"));
    }
    let datum = form.given("datum").map(str::to_owned);
    let datum_column = by_target.remove("datum").and_then(|names| names.into_iter().next());
    if datum.is_none() && datum_column.is_none() {
        form.fail("datum", page.t("import-no-datum"));
    }
    let mut positions = Vec::new();
    match (by_target.remove("lon"), by_target.remove("lat")) {
        (Some(lon), Some(lat)) => {
            positions.push(PositionColumns { lon: joined(lon), lat: joined(lat), datum, datum_column });
        }
        _ => form.fail("position", page.t("import-no-position")),
    }
    positions.extend(base.into_iter().flat_map(|base| base.positions.iter().skip(1).cloned()));
    let collection = form.given("collection").map(str::parse::<Collection>).transpose().unwrap_or_else(|_| {
        form.fail("collection", page.t("wrong-needed"));
        None
    });
    let ReadOptions { encoding, sheet, skip_rows, header_rows } = options(form);
    if form.failed() {
        return None;
    }
    Some(Mapping {
        format: 1,
        name,
        list: form.given("list").map(str::to_owned),
        collection,
        state: if form.has("state", "outlet") { StartState::Outlet } else { StartState::Suspected },
        encoding,
        sheet,
        skip_rows,
        header_rows,
        rest: if form.has("rest", "note") { Rest::Note } else { Rest::Drop },
        source_id: by_target.remove("source_id").map(joined),
        columns: by_target.into_iter().map(|(code, names)| (code.to_owned(), joined(names))).collect(),
        values: base.map(|base| base.values.clone()).unwrap_or_default(),
        positions,
    })
}

/// Why a file cannot be read, in words; its path is the server's own affair.
pub(super) fn read_error(page: &Page, error: &ReadError) -> String {
    match error {
        ReadError::Kind(_) => page.t1("upload-kind", "name", ""),
        ReadError::Form { why, .. } => page.t1("import-unreadable", "why", why),
        ReadError::NoHeader(_) => page.t("import-no-header"),
        error => {
            tracing::warn!(%error, "a file that was sent cannot be read");
            page.t("upload-gone")
        }
    }
}

/// Why a mapping does not fit, in words.
pub(super) fn mapping_error(page: &Page, error: &MappingError) -> String {
    match error {
        MappingError::NoDatum(_) => page.t("import-no-datum"),
        MappingError::NoPosition => page.t("import-no-position"),
        MappingError::Column { column, .. } => page.t1("import-no-column", "column", column),
        MappingError::Ambiguous { column, .. } => page.t1("import-two-columns", "column", column),
        error => page.t1("import-unreadable", "why", error),
    }
}

#[cfg(test)]
mod tests {
    use outlet_core::domain::dictionary::Lang;

    use super::*;

    fn upload(folder: &std::path::Path, text: &str) -> Upload {
        let path = folder.join("疑似点位.csv");
        std::fs::write(&path, text).unwrap();
        Upload { id: "0".repeat(32), name: "疑似点位.csv".into(), path }
    }

    #[test]
    fn a_mapping_goes_through_the_form_and_back() {
        let folder = tempfile::tempdir().unwrap();
        let page = Page::new(Lang::Zh, "/".into(), None, String::new());
        let upload = upload(folder.path(), "编号,名称,度,分,纬度,备注2\n1,甲,106,46,31.8,x\n");
        let mut form = begin(&upload, None, Form::default());
        assert_eq!((form.value("name"), form.value("c0"), form.value("c1")), ("疑似点位", "source_id", "name"));
        assert!(read(&page, &mut form, &upload, None).is_none());
        assert!(form.error("datum").is_some() && form.error("position").is_some());
        let mut form = begin(&upload, None, Form::default());
        for (name, value) in [("c2", "lon"), ("c3", "lon"), ("c4", "lat"), ("datum", "gcj02"), ("rest", "note")] {
            form = form.with(name, value);
        }
        let mapping = read(&page, &mut form, &upload, None).expect("it fits");
        let lon = Columns::Several(vec!["度".into(), "分".into()]);
        assert_eq!(mapping.positions[0].lon, lon);
        assert_eq!((mapping.rest, mapping.positions[0].datum.as_deref()), (Rest::Note, Some("gcj02")));
        let mut again = begin(&upload, Some(&mapping), Form::default());
        assert_eq!(read(&page, &mut again, &upload, Some(&mapping)), Some(mapping));
    }
}
