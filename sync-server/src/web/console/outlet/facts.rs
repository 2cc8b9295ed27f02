//! The facts as asserted: each current value with who said so and when. Several values of one fact are
//! shown side by side: that is the conflict.

use outlet_core::doc::current_positions;
use outlet_core::domain::field::FieldEntry;
use outlet_core::ids::EntryId;
use outlet_core::ledger::LedgerRow;
use outlet_core::time::Timestamp;
use serde_json::Value;

use super::super::Words;
use super::super::page::moment;
use super::dossier::{Dossier, Said};

/// A fact with its current values.
pub(super) struct FactLine {
    pub label: String,
    pub values: Vec<Assertion>,
    pub conflict: bool,
    pub amended: bool,
}

/// One value.
pub(super) struct Assertion {
    pub value: String,
    pub who: String,
    pub when: String,
    pub basis: String,
    /// By a decision, not by whoever filled the record in.
    pub decided: bool,
    /// A decision chose another value.
    pub overruled: bool,
}

/// Facts in the order of their first assertion.
pub(super) fn lines(words: Words, dossier: &Dossier, row: &LedgerRow) -> Vec<FactLine> {
    let facts: Vec<&Said> = dossier.field.iter().filter(|said| said.kind() == "fact").collect();
    let mut names: Vec<&str> = Vec::new();
    for name in facts.iter().filter_map(|said| said.text("field")) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let line = |name: &&str| FactLine {
        label: words.column(name),
        values: values(words, dossier, &facts, name),
        conflict: row.conflicts.iter().any(|own| own == name),
        amended: row.amended.iter().any(|own| own == name),
    };
    names.iter().map(line).filter(|line| !line.values.is_empty()).collect()
}

/// The assertions of a fact that stand: core's rule, by which an ordinary save ends no conflict. One
/// that this version cannot read stands, too.
fn current<'s>(facts: &[&'s Said], name: &str) -> Vec<&'s Said> {
    let own = facts.iter().copied().filter(|said| said.text("field") == Some(name));
    let (mut known, mut standing) = (Vec::new(), Vec::new());
    for (place, said) in own.enumerate() {
        match (said.id.parse::<EntryId>(), serde_json::from_value(said.value.clone())) {
            (Ok(id), Ok(FieldEntry::Fact(fact))) => known.push((place, said, id, fact)),
            _ => standing.push((place, said)),
        }
    }
    let positions = current_positions(known.iter().map(|(_, _, id, fact)| (*id, fact)));
    standing.extend(positions.into_iter().map(|at| (known[at].0, known[at].1)));
    standing.sort_by_key(|(place, _)| *place);
    standing.into_iter().map(|(_, said)| said).collect()
}

/// The value decided on, where one is; then what was asserted, with a mark on what the decision overruled.
fn values(words: Words, dossier: &Dossier, facts: &[&Said], name: &str) -> Vec<Assertion> {
    let ruled = dossier.decided.iter().filter(|ruled| ruled.field == name).filter_map(|ruled| {
        let said = dossier.case.iter().find(|said| said.id == ruled.by)?;
        Some(Assertion {
            value: value_text(words, name, &ruled.value),
            who: said.who.clone().unwrap_or_default(),
            when: moment(said.when()),
            basis: String::new(),
            decided: true,
            overruled: false,
        })
    });
    let asserted = current(facts, name)
        .into_iter()
        .map(|said| Assertion { overruled: dossier.overruled.contains(&said.id), ..assertion(words, name, said) });
    ruled.chain(asserted).collect()
}

fn assertion(words: Words, name: &str, said: &Said) -> Assertion {
    let value = said.value.get("value").unwrap_or(&Value::Null);
    Assertion {
        value: value_text(words, name, value),
        who: said.who.clone().unwrap_or_default(),
        when: moment(said.when()),
        basis: said.text("basis").map(|code| text_value(words, "basis", code)).unwrap_or_default(),
        decided: false,
        overruled: false,
    }
}

/// A value in words: dictionary terms, places, a position, and the three kinds of nothing.
pub(in super::super) fn value_text(words: Words, name: &str, value: &Value) -> String {
    match value {
        Value::Null => words.message("blank", &[]),
        Value::Bool(answer) => words.label(if *answer { "yes" } else { "no" }),
        Value::Number(number) if matches!(name, "taken_at" | "sampled_at" | "arrived_at" | "fixed_at") => {
            number.as_i64().map_or_else(|| number.to_string(), |millis| moment(Timestamp::from_millis(millis)))
        }
        Value::Number(number) => number_text(number),
        Value::String(text) => text_value(words, name, text),
        Value::Array(all) => {
            let each: Vec<String> = all.iter().map(|one| value_text(words, name, one)).collect();
            // Things of several parts are told from one another by the stronger sign.
            if all.iter().any(Value::is_object) { words.clauses(each) } else { words.list(each) }
        }
        Value::Object(object) if object.contains_key("cannot_determine") => words.label("cannot_determine"),
        Value::Object(object) if object.contains_key("lon") => {
            let degrees = |name: &str| object.get(name).and_then(Value::as_f64).map(|degrees| format!("{degrees:.6}"));
            let accuracy = object.get("accuracy_m").and_then(Value::as_f64).map(|metres| format!(" ±{metres:.0} m"));
            let pair = [degrees("lon"), degrees("lat")].into_iter().flatten().collect::<Vec<_>>().join(", ");
            format!("{pair}{}", accuracy.unwrap_or_default())
        }
        Value::Object(object) => object_text(words, name, object),
    }
}

/// A measured number keeps no ".0".
fn number_text(number: &serde_json::Number) -> String {
    let text = number.to_string();
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

/// What stands in front without a label, in this order: it explains itself.
fn lead(name: &str) -> &'static [&'static str] {
    match name {
        "results" => &["parameter", "qualifier", "value", "unit"],
        "nodes" => &["serial", "kind", "name"],
        "pipes" => &["from", "to"],
        "document" | "government_document" | "file" => &["number", "dated"],
        "legal_bases" => &["document", "article"],
        "items" => &["item"],
        "merged_into" => &["kind", "name"],
        "party" | "primary_party" | "other_parties" | "primary" | "others" => &["name"],
        _ => &[],
    }
}

/// Several parts of one thing: those that explain themselves, then the others with their labels.
fn object_text(words: Words, name: &str, object: &serde_json::Map<String, Value>) -> String {
    let lead = lead(name);
    let said = |name: &&str| {
        let value = object.get(*name).filter(|value| !value.is_null())?;
        // Acidity is measured in ones.
        let plain = *name == "unit" && value == "1";
        (!plain).then(|| value_text(words, name, value))
    };
    let front: Vec<String> = lead.iter().filter_map(said).collect();
    let front = front.join(if name == "pipes" { " → " } else { " " });
    let rest = object.iter().filter(|(name, value)| !lead.contains(&name.as_str()) && !value.is_null());
    let rest = rest.map(|(name, value)| format!("{} {}", words.said(name), value_text(words, name, value)));
    let rest = words.list(rest);
    match (front.is_empty(), rest.is_empty()) {
        (true, _) => rest,
        (_, true) => front,
        _ => front + &words.aside(&rest),
    }
}

fn text_value(words: Words, name: &str, text: &str) -> String {
    match name {
        "county" | "management_unit" | "collection" => words.place(text),
        "outlet_type" => words.outlet_type(text),
        "level" | "step" => {
            known(words.message(&format!("step-{text}"), &[]), "step-").unwrap_or_else(|| text.to_owned())
        }
        _ => {
            let found =
                dictionaries(name).iter().map(|dictionary| words.term(dictionary, text)).find(|found| found != text);
            // Steps and actions that no dictionary has are messages; states are in the table of labels.
            found
                .or_else(|| known(words.message(&format!("code-{}", text.replace('_', "-")), &[]), "code-"))
                .unwrap_or_else(|| words.label(text))
        }
    }
}

/// A message that there is: an unknown key comes back as it is.
fn known(text: String, prefix: &str) -> Option<String> {
    (!text.starts_with(prefix)).then_some(text)
}

/// The dictionaries of a field's codes: its own name, or those that it shares.
fn dictionaries(name: &str) -> &[&str] {
    match name {
        "measures" => &["measure"],
        "items" | "item" => &["construction_item", "acceptance_item"],
        "reasons" | "reason" => {
            &["return_reason", "no_sample_reason", "level_3_reason", "non_outlet_reason", "exemption"]
        }
        "sections" => &["review_section"],
        "problems" => &["problem"],
        "pattern" | "discharge_pattern" => &["discharge_pattern"],
        "water_sources" => &["water_source"],
        "outcome" => &["survey_outcome"],
        "conclusion" => &["trace_conclusion"],
        "methods" => &["trace_method"],
        "means" => &["trace_means"],
        "slot" => &["photo_slot"],
        "warnings" => &["photo_warning"],
        "basis" => &["location_source", "scale_basis"],
        "kind" => &["node_kind", "sample_kind", "attachment_kind", "merged_into"],
        "state" => &["outlet_state", "sign_state"],
        "source" => &["location_source"],
        "form" => &["sign_form"],
        "appearance" => &["appearance"],
        "surroundings" => &["surroundings"],
        "weather" => &["weather"],
        "task_source" => &["task_source"],
        "discharge_state" => &["discharge_state"],
        "parameter" => &["parameter"],
        "qualifier" => &["qualifier"],
        "classification" => &["classification"],
        "scale" => &["scale"],
        "entry_mode" => &["entry_mode"],
        "shape" => &["shape"],
        "material" => &["material"],
        "bank" => &["bank"],
        "mouth" => &["mouth"],
        "set_up" => &["set_up"],
        "type_scheme" => &["type_scheme"],
        "approval_status" => &["approval_status"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use outlet_core::domain::dictionary::Lang;
    use outlet_core::ids::EntryId;
    use outlet_core::time::Timestamp;
    use serde_json::json;

    use super::*;

    fn said(number: u8, value: &str, replaces: &[u8]) -> Said {
        let id = |number: u8| EntryId([number; 16]).to_string();
        let replaces: Vec<String> = replaces.iter().copied().map(id).collect();
        let value = json!({"type": "fact", "field": "classification", "value": value, "replaces": replaces, "at": 0});
        let written = Timestamp::from_millis(0);
        Said { value, id: id(number), who: None, received: None, written }
    }

    /// What somebody saved over a conflict is one more candidate, and the page shows them all.
    #[test]
    fn what_has_several_parts_reads_as_people_write_it() {
        let say = |lang, name: &str, value: Value| value_text(Words(lang), name, &value);
        let results = json!([
            {"parameter": "ph", "value": 7.4, "unit": "1"}, {"parameter": "cod", "value": 31.0, "unit": "mg/L"}
        ]);
        assert_eq!(say(Lang::Zh, "results", results.clone()), "pH 7.4；化学需氧量 31 mg/L");
        assert_eq!(say(Lang::En, "results", results), "pH 7.4; chemical oxygen demand 31 mg/L");
        let nodes = json!([{"serial": 1, "kind": "outlet"}, {"serial": 2, "kind": "source", "name": "小区"}]);
        assert_eq!(say(Lang::Zh, "nodes", nodes), "1 入河排污口；2 排污源头 小区");
        assert_eq!(say(Lang::Zh, "pipes", json!([{"from": 2, "to": 1, "length_m": 30.0}])), "2 → 1（长度（米） 30）");
        assert_eq!(say(Lang::Zh, "primary_party", json!({"name": "某公司", "uscc": null})), "某公司");
        assert_eq!(
            say(Lang::En, "document", json!({"number": "巴环函〔2021〕1号", "dated": "2021-09-01"})),
            "巴环函〔2021〕1号 2021-09-01"
        );
        assert_eq!(say(Lang::Zh, "persons", json!(["甲", "乙"])), "甲、乙");
    }

    #[test]
    fn a_save_that_names_a_whole_conflict_hides_none_of_it() {
        let all = [said(1, "ban", &[]), said(2, "merge", &[]), said(3, "regulate", &[1, 2])];
        let shown: Vec<_> = current(&all.iter().collect::<Vec<_>>(), "classification");
        assert_eq!(shown.len(), 3);
        let settled = [said(1, "ban", &[]), said(2, "merge", &[1])];
        let shown: Vec<_> = current(&settled.iter().collect::<Vec<_>>(), "classification");
        assert_eq!(shown.iter().map(|said| said.text("value")).collect::<Vec<_>>(), [Some("merge")]);
    }
}
