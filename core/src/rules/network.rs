//! R5 to R7: what the outlet could be merged into.

use super::zone::unknown;
use super::{Effect, Met, Reason, Subject, Verdict};
use crate::zones::{Inside, Layers, ZoneKind};

const DOMESTIC: [&str; 1] = ["urban_domestic_scattered"];
const INDUSTRY: [&str; 4] = ["industrial_mining", "industrial_enterprise", "mine", "tailings"];

/// Is the type one of these? `None` while it is not determined.
fn is_of(subject: &Subject, types: &[&str]) -> Option<bool> {
    match subject.outlet_type.as_deref() {
        None | Some("undetermined") => None,
        Some(code) => Some(types.contains(&code)),
    }
}

fn type_missing() -> Verdict {
    Verdict::Unknown(vec![Reason::new("type_missing")])
}

/// R5: 城镇生活污水散排口 where the sewer reaches, or the survey says 污水应纳未纳.
pub(super) fn r5(subject: &Subject, layers: &Layers) -> Verdict {
    match is_of(subject, &DOMESTIC) {
        Some(false) => return Verdict::NotMet,
        None => return type_missing(),
        Some(true) => {}
    }
    if subject.has_problem(&["sewage_not_collected"]) == Some(true) {
        return Verdict::Met(Met::new(Effect::Merge, Reason::new("sewage_not_collected")));
    }
    match layers.inside(ZoneKind::SewerArea, subject.point) {
        Inside::Inside { hits } => {
            Verdict::Met(Met { zones: hits, ..Met::new(Effect::Merge, Reason::new("in_sewer_area")) })
        }
        Inside::Outside { .. } => Verdict::NotMet,
        Inside::Unknown { missing } => Verdict::Unknown(vec![unknown(missing)]),
    }
}

/// R6: an enterprise inside a park with its own outlet.
pub(super) fn r6(subject: &Subject, layers: &Layers) -> Verdict {
    match is_of(subject, &INDUSTRY) {
        Some(false) => return Verdict::NotMet,
        None => return type_missing(),
        Some(true) => {}
    }
    match layers.inside(ZoneKind::Park, subject.point) {
        Inside::Inside { hits } => Verdict::Met(Met { zones: hits, ..Met::new(Effect::Merge, Reason::new("in_park")) }),
        Inside::Outside { .. } => Verdict::NotMet,
        Inside::Unknown { missing } => Verdict::Unknown(vec![unknown(missing)]),
    }
}

/// R7: one party with two or more industrial or mining outlets.
pub(super) fn r7(subject: &Subject) -> Verdict {
    match is_of(subject, &INDUSTRY) {
        Some(false) => return Verdict::NotMet,
        None => return type_missing(),
        Some(true) => {}
    }
    match subject.outlets_of_party {
        None => Verdict::Unknown(vec![Reason::new("party_missing")]),
        Some(count) if count >= 2 => {
            Verdict::Met(Met::new(Effect::Merge, Reason::of("several_of_one_party", vec![count.to_string()])))
        }
        Some(_) => Verdict::NotMet,
    }
}
