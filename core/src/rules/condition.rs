//! R8 to R10: what the survey saw.

use super::{Effect, Met, Subject, Verdict};

const MIXED: [&str; 4] = ["rain_sewage_not_separated", "mixed_connection", "sewage_into_storm", "storm_into_sewer"];
const WORN: [&str; 4] = ["damaged", "no_inspection_well", "sign_missing", "shared_outlet"];
const STORM: [&str; 3] = ["urban_storm", "municipal_pump_station", "urban_storm_other"];

fn not_surveyed() -> Verdict {
    Verdict::Unknown(vec!["nobody has surveyed the outlet".to_owned()])
}

/// R8: 雨污混接, 未实现雨污分流, 混排.
pub(super) fn r8(subject: &Subject) -> Verdict {
    match (subject.mixed, subject.has_problem(&MIXED)) {
        (Some(true), _) | (_, Some(true)) => {
            Verdict::Met(Met::new(Effect::Regulate, "rain and sewage are not separated (雨污分流)"))
        }
        (_, Some(false)) => Verdict::NotMet,
        (Some(false), None) | (None, None) => not_surveyed(),
    }
}

/// R9: old or damaged, no inspection well, no sign, or shared by several parties.
pub(super) fn r9(subject: &Subject) -> Verdict {
    let mut why = Vec::new();
    match subject.has_problem(&WORN) {
        None => return not_surveyed(),
        Some(true) => why.push("old, damaged, without well or sign, or shared"),
        Some(false) => {}
    }
    if subject.parties >= 2 {
        why.push("several parties discharge through it");
    }
    if matches!(subject.sign_state.as_deref(), Some("damaged" | "missing" | "outdated")) {
        why.push("its sign is damaged, missing or out of date");
    }
    if why.is_empty() { Verdict::NotMet } else { Verdict::Met(Met::new(Effect::Regulate, why.join("; "))) }
}

/// R10: 城镇雨洪排口 without dry-weather flow and without anything abnormal: archive and sign only.
pub(super) fn r10(subject: &Subject) -> Verdict {
    match subject.outlet_type.as_deref() {
        None | Some("undetermined") => {
            return Verdict::Unknown(vec!["the type of the outlet is not determined".to_owned()]);
        }
        Some(code) if !STORM.contains(&code) => return Verdict::NotMet,
        Some(_) => {}
    }
    let mut missing = Vec::new();
    match subject.dry_weather_discharge {
        Some(true) => return Verdict::NotMet,
        Some(false) => {}
        None => missing.push("whether it discharges in dry weather is not known".to_owned()),
    }
    match subject.abnormal {
        Some(true) => return Verdict::NotMet,
        Some(false) => {}
        None => missing.push("whether anything is abnormal was not said".to_owned()),
    }
    match subject.problems.as_deref() {
        None => missing.push("nobody has surveyed the outlet".to_owned()),
        Some(problems) if problems.iter().any(|problem| problem != "none_found") => return Verdict::NotMet,
        Some(_) => {}
    }
    if missing.is_empty() {
        Verdict::Met(Met::new(
            Effect::NoneNeeded,
            "a storm outlet without dry-weather flow or anything abnormal: archive and sign",
        ))
    } else {
        Verdict::Unknown(missing)
    }
}
