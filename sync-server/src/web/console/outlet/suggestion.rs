//! What a rule says of an outlet, in words, and as fields of the form that takes it over.

use outlet_core::domain::dictionary::Lang;
use outlet_core::rules::{Basis, Outcome, Reason, reasons};
use outlet_core::zones::ZoneKind;

use super::super::{Page, Words};
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
    pub bases: String,
    pub layers: String,
    /// Query that fills the form; nothing where no class follows.
    pub take: Option<String>,
}

impl Suggestion {
    /// In the words of the page; what does not apply says nothing.
    pub(super) fn new(page: &Page, outcome: &Outcome) -> Option<Self> {
        let cited =
            |bases: &[Basis]| page.clauses(bases.iter().map(|basis| format!("{} {}", basis.document, basis.article)));
        Some(match outcome {
            Outcome::Suggested { rule, effect, why, bases, zones, pre_existing, .. } => {
                // The form takes it over into the case file, which has one language.
                let layers = zones.iter().map(|hit| format!("{} {}（{}）", hit.layer, hit.version, hit.document));
                let layers = Words(Lang::Zh).list(layers);
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
                why: reasons(&named(page, missing), page.words().0),
                bases: String::new(),
                layers: String::new(),
                take: None,
            },
            _ => return None,
        })
    }
}

/// What is missing, with kinds of zones in the words of the page: rules name them in Chinese.
fn named(page: &Page, missing: &[Reason]) -> Vec<Reason> {
    let name = |own: &String| match ZoneKind::ALL.into_iter().find(|kind| kind.label() == own) {
        Some(kind) => page.t_of("zone", kind.code()),
        None => own.clone(),
    };
    let one = |reason: &Reason| Reason { code: reason.code, names: reason.names.iter().map(name).collect() };
    missing.iter().map(one).collect()
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
