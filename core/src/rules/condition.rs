//! R8 to R10: what the survey saw.

use super::{Effect, Met, Reason, Subject, Verdict};

const MIXED: [&str; 4] = ["rain_sewage_not_separated", "mixed_connection", "sewage_into_storm", "storm_into_sewer"];
const WORN: [&str; 4] = ["damaged", "no_inspection_well", "sign_missing", "shared_outlet"];
const STORM: [&str; 3] = ["urban_storm", "municipal_pump_station", "urban_storm_other"];

fn not_surveyed() -> Verdict {
    Verdict::Unknown(vec![Reason::new("not_surveyed")])
}

/// R8: 雨污混接, 未实现雨污分流, 混排.
pub(super) fn r8(subject: &Subject) -> Verdict {
    match (subject.mixed, subject.has_problem(&MIXED)) {
        (Some(true), _) | (_, Some(true)) => Verdict::Met(Met::new(Effect::Regulate, Reason::new("not_separated"))),
        (_, Some(false)) => Verdict::NotMet,
        (Some(false), None) | (None, None) => not_surveyed(),
    }
}

/// R9: old or damaged, no inspection well, no sign, or shared by several parties.
pub(super) fn r9(subject: &Subject) -> Verdict {
    let mut why = Vec::new();
    match subject.has_problem(&WORN) {
        None => return not_surveyed(),
        Some(true) => why.push(Reason::new("worn")),
        Some(false) => {}
    }
    if subject.parties >= 2 {
        why.push(Reason::new("several_parties"));
    }
    if matches!(subject.sign_state.as_deref(), Some("damaged" | "missing" | "outdated")) {
        why.push(Reason::new("sign_not_right"));
    }
    match why.first().cloned() {
        None => Verdict::NotMet,
        Some(first) => Verdict::Met(Met { why, ..Met::new(Effect::Regulate, first) }),
    }
}

/// R10: 城镇雨洪排口 without dry-weather flow and without anything abnormal: archive and sign only.
pub(super) fn r10(subject: &Subject) -> Verdict {
    match subject.outlet_type.as_deref() {
        None | Some("undetermined") => {
            return Verdict::Unknown(vec![Reason::new("type_missing")]);
        }
        Some(code) if !STORM.contains(&code) => return Verdict::NotMet,
        Some(_) => {}
    }
    let mut missing = Vec::new();
    match subject.dry_weather_discharge {
        Some(true) => return Verdict::NotMet,
        Some(false) => {}
        None => missing.push(Reason::new("dry_weather_missing")),
    }
    match subject.abnormal {
        Some(true) => return Verdict::NotMet,
        Some(false) => {}
        None => missing.push(Reason::new("abnormal_missing")),
    }
    match subject.problems.as_deref() {
        None => missing.push(Reason::new("not_surveyed")),
        Some(problems) if problems.iter().any(|problem| problem != "none_found") => return Verdict::NotMet,
        Some(_) => {}
    }
    if missing.is_empty() {
        Verdict::Met(Met::new(Effect::NoneNeeded, Reason::new("clean_storm_outlet")))
    } else {
        Verdict::Unknown(missing)
    }
}
