//! What a rule says of an outlet, in words, and as fields of the form that takes it over.

use outlet_core::rules::{Basis, Outcome, reasons};

use super::super::Page;
use super::code_of;

/// One rule.
pub(super) struct Suggestion {
    pub id: &'static str,
    pub tone: &'static str,
    pub effect: String,
    /// The outlet was there before the zone.
    pub older: bool,
    /// What the rule found, in words.
    pub why: String,
    pub bases: Vec<String>,
    pub layers: String,
    /// Query that fills the form; nothing where no class follows.
    pub take: Option<String>,
}

impl Suggestion {
    /// In the words of the page; what does not apply says nothing.
    pub(super) fn new(page: &Page, outcome: &Outcome) -> Option<Self> {
        let cited =
            |bases: &[Basis]| bases.iter().map(|basis| format!("{} {}", basis.document, basis.article)).collect();
        Some(match outcome {
            Outcome::Suggested { rule, effect, why, bases, zones, pre_existing, .. } => {
                let layers = zones.iter().map(|hit| format!("{} {}（{}）", hit.layer, hit.version, hit.document));
                let layers = layers.collect::<Vec<_>>().join("、");
                Self {
                    id: rule,
                    tone: "ok",
                    effect: page.t_of("effect", &code_of(effect)),
                    older: *pre_existing == Some(true),
                    why: reasons(why, page.words().0),
                    bases: cited(bases),
                    take: effect.class().map(|class| query(class, bases, &layers)),
                    layers,
                }
            }
            Outcome::NoBasisInForce { rule, why, bases } => Self {
                id: rule,
                tone: "warn",
                effect: page.t("rules-no-basis"),
                older: false,
                why: reasons(why, page.words().0),
                bases: cited(bases),
                layers: String::new(),
                take: None,
            },
            Outcome::Unknown { rule, missing } => Self {
                id: rule,
                tone: "",
                effect: page.t("rules-unknown"),
                older: false,
                why: reasons(missing, page.words().0),
                bases: Vec::new(),
                layers: String::new(),
                take: None,
            },
            _ => return None,
        })
    }
}

/// Class, bases and layer as the form's fields.
fn query(class: &str, bases: &[Basis], layers: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("classification", class);
    for (number, basis) in (1..=super::acts::BASES).zip(bases) {
        query.append_pair(&format!("basis_{number}"), &basis.document);
        query.append_pair(&format!("article_{number}"), &basis.article);
    }
    if !layers.is_empty() {
        query.append_pair("layer", layers);
    }
    query.finish()
}
