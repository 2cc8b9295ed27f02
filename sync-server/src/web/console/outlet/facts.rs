//! The facts as asserted: each current value with who said so and when. Several values of one fact are
//! shown side by side: that is the conflict.

use std::collections::BTreeSet;

use outlet_core::ledger::LedgerRow;
use outlet_core::time::Timestamp;
use serde_json::Value;

use super::super::Words;
use super::super::page::moment;
use super::dossier::Said;

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
}

/// Facts in the order of their first assertion.
pub(super) fn lines(words: Words, field: &[Said], row: &LedgerRow) -> Vec<FactLine> {
    let facts: Vec<&Said> = field.iter().filter(|said| said.kind() == "fact").collect();
    let replaced: BTreeSet<&str> = facts
        .iter()
        .filter_map(|said| said.value.get("replaces")?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut names: Vec<&str> = Vec::new();
    for name in facts.iter().filter_map(|said| said.text("field")) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let line = |name: &&str| {
        let current =
            facts.iter().filter(|said| said.text("field") == Some(name) && !replaced.contains(said.id.as_str()));
        FactLine {
            label: words.column(name),
            values: current.map(|said| assertion(words, name, said)).collect(),
            conflict: row.conflicts.iter().any(|own| own == name),
            amended: row.amended.iter().any(|own| own == name),
        }
    };
    names.iter().map(line).filter(|line| !line.values.is_empty()).collect()
}

fn assertion(words: Words, name: &str, said: &Said) -> Assertion {
    let value = said.value.get("value").unwrap_or(&Value::Null);
    Assertion {
        value: value_text(words, name, value),
        who: said.who.clone().unwrap_or_default(),
        when: moment(said.when()),
        basis: said.text("basis").map(|code| text_value(words, "basis", code)).unwrap_or_default(),
    }
}

/// A value in words: dictionary terms, places, a position, and the three kinds of nothing.
pub(super) fn value_text(words: Words, name: &str, value: &Value) -> String {
    match value {
        Value::Null => words.message("blank", &[]),
        Value::Bool(answer) => words.label(if *answer { "yes" } else { "no" }),
        Value::Number(number) if matches!(name, "taken_at" | "sampled_at" | "arrived_at" | "fixed_at") => {
            number.as_i64().map_or_else(|| number.to_string(), |millis| moment(Timestamp::from_millis(millis)))
        }
        Value::Number(number) => number.to_string(),
        Value::String(text) => text_value(words, name, text),
        Value::Array(all) => all.iter().map(|one| value_text(words, name, one)).collect::<Vec<_>>().join("、"),
        Value::Object(object) if object.contains_key("cannot_determine") => words.label("cannot_determine"),
        Value::Object(object) if object.contains_key("lon") => {
            let degrees = |name: &str| object.get(name).and_then(Value::as_f64).map(|degrees| format!("{degrees:.6}"));
            let accuracy = object.get("accuracy_m").and_then(Value::as_f64).map(|metres| format!(" ±{metres:.0} m"));
            let pair = [degrees("lon"), degrees("lat")].into_iter().flatten().collect::<Vec<_>>().join(", ");
            format!("{pair}{}", accuracy.unwrap_or_default())
        }
        Value::Object(object) => {
            let part =
                |(name, value): (&String, &Value)| format!("{} {}", words.key(name), value_text(words, name, value));
            object.iter().map(part).collect::<Vec<_>>().join("，")
        }
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
