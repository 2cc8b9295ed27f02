//! R1 to R4: where the outlet lies.

use super::{Effect, Met, Reason, Subject, Verdict};
use crate::zones::{Inside, Layers, Missing, ZoneHit, ZoneKind};

/// Inside one of these kinds? The hits of all of them, or what is missing. Outside of some and
/// unknown in others is unknown.
fn ask(subject: &Subject, layers: &Layers, kinds: &[ZoneKind]) -> Result<Vec<ZoneHit>, Vec<Reason>> {
    let (mut hits, mut missing) = (Vec::new(), Vec::new());
    for kind in kinds {
        match layers.inside(*kind, subject.point) {
            Inside::Inside { hits: here } => hits.extend(here),
            Inside::Outside { .. } => {}
            Inside::Unknown { missing: what } => missing.push(unknown(what)),
        }
    }
    if hits.is_empty() && !missing.is_empty() { Err(missing) } else { Ok(hits) }
}

/// Why a layer cannot answer.
pub(super) fn unknown(missing: Missing) -> Reason {
    match missing {
        Missing::Layer(kind) => Reason::of("layer_missing", vec![kind.label().to_owned()]),
        Missing::Position => Reason::new("position_missing"),
    }
}

fn met(subject: &Subject, effect: Effect, hits: Vec<ZoneHit>, why: &'static str) -> Met {
    let names = hits.iter().map(|hit| format!("{}（{}）", hit.zone, hit.kind.label())).collect();
    let answers: Vec<Option<bool>> = hits.iter().map(|hit| subject.existed_before(hit.established_on)).collect();
    // Older than every zone it lies in; not known for one of them is not known.
    let pre_existing =
        if answers.contains(&None) { None } else { Some(answers.iter().all(|older| *older == Some(true))) };
    Met { zones: hits, pre_existing, ..Met::new(effect, Reason::of(why, names)) }
}

fn verdict(subject: &Subject, layers: &Layers, kinds: &[ZoneKind], make: impl FnOnce(Vec<ZoneHit>) -> Met) -> Verdict {
    match ask(subject, layers, kinds) {
        Err(missing) => Verdict::Unknown(missing),
        Ok(hits) if hits.is_empty() => Verdict::NotMet,
        Ok(hits) => Verdict::Met(make(hits)),
    }
}

/// R1: inside 饮用水水源一级或二级保护区.
pub(super) fn r1(subject: &Subject, layers: &Layers) -> Verdict {
    verdict(subject, layers, &[ZoneKind::DrinkingWater1, ZoneKind::DrinkingWater2], |hits| {
        met(subject, Effect::Ban, hits, /* why */ "in_drinking_water_zone").strong()
    })
}

/// R2: inside 准保护区: looked at by a person, never an automatic ban.
pub(super) fn r2(subject: &Subject, layers: &Layers) -> Verdict {
    verdict(subject, layers, &[ZoneKind::DrinkingWaterQuasi], |hits| {
        met(subject, Effect::Review, hits, /* why */ "in_quasi_zone")
    })
}

/// R3: inside 自然保护地 or 生态保护红线.
pub(super) fn r3(subject: &Subject, layers: &Layers) -> Verdict {
    verdict(subject, layers, &[ZoneKind::NatureReserve, ZoneKind::EcologicalRedline], |hits| {
        met(subject, Effect::Ban, hits, /* why */ "in_protected_area")
    })
}

/// R4: inside 风景名胜区水体 or 重要渔业水体: new outlets are banned, existing ones are looked at.
pub(super) fn r4(subject: &Subject, layers: &Layers) -> Verdict {
    verdict(subject, layers, &[ZoneKind::Scenic, ZoneKind::Fishery], |hits| {
        // Not known to be new is treated as existing: nothing is blocked on a guess.
        let effect = if subject.is_new() == Some(true) { Effect::BlockNew } else { Effect::Review };
        met(subject, effect, hits, /* why */ "in_closed_water")
    })
}
