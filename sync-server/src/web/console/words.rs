//! The words of the pages. Sentences and menu entries are Fluent messages in `locales/LANG/*.ftl`;
//! columns, states and terms come from the tables that exports use ([`outlet_core::export`], the
//! dictionaries, the regions): there is no second one.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use outlet_core::domain::dictionary::{Dictionaries, Lang};
use outlet_core::domain::region::Regions;
use outlet_core::export;
use rust_embed::Embed;

/// The message files, one folder per language; each track of pages has a file of its own.
#[derive(Embed)]
#[folder = "locales"]
#[include = "*.ftl"]
struct Locales;

struct Tables {
    zh: FluentBundle<FluentResource>,
    en: FluentBundle<FluentResource>,
    dictionaries: Dictionaries,
    regions: Regions,
}

fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| Tables {
        zh: bundle("zh"),
        en: bundle("en"),
        dictionaries: Dictionaries::embedded(),
        regions: Regions::embedded(),
    })
}

fn bundle(language: &str) -> FluentBundle<FluentResource> {
    let identifier = language.parse().expect("zh and en are language identifiers");
    let mut bundle = FluentBundle::new_concurrent(vec![identifier]);
    // Isolation marks would end up in names that people copy.
    bundle.set_use_isolating(false);
    for (_, text) in files(language) {
        // A broken message is left out; the test of both languages finds it.
        let resource = match FluentResource::try_new(text) {
            Ok(resource) | Err((resource, _)) => resource,
        };
        let _ = bundle.add_resource(resource);
    }
    bundle
}

/// File names and texts of a language, sorted.
fn files(language: &str) -> BTreeMap<String, String> {
    let of_language = |name: &str| name.split('/').next() == Some(language);
    let read = |name: std::borrow::Cow<'static, str>| {
        let text = Locales::get(&name)?;
        Some((name.into_owned(), String::from_utf8_lossy(&text.data).into_owned()))
    };
    Locales::iter().filter(|name| of_language(name)).filter_map(read).collect()
}

/// Looks words up in one language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words(pub Lang);

impl Words {
    /// A message; an unknown key is shown as it is, so that nobody misses it.
    #[must_use]
    pub fn message(self, key: &str, arguments: &[(&str, &str)]) -> String {
        let tables = tables();
        let bundle = if self.0 == Lang::En { &tables.en } else { &tables.zh };
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            return key.to_owned();
        };
        let mut values = FluentArgs::new();
        for (name, value) in arguments {
            // Numbers as numbers, for plural forms; their digits as they are.
            match value.parse::<u32>() {
                Ok(number) if !value.starts_with('0') || *value == "0" => values.set(*name, number),
                _ => values.set(*name, *value),
            }
        }
        let mut errors = Vec::new();
        bundle.format_pattern(pattern, Some(&values), &mut errors).into_owned()
    }

    /// Label of a state, condition or finding, as exports have it.
    #[must_use]
    pub fn label(self, code: &str) -> String {
        export::label(code, self.0).to_owned()
    }

    /// Label of a column, as exports have it.
    #[must_use]
    pub fn column(self, code: &str) -> String {
        export::header(code, self.0).to_owned()
    }

    /// Label of an entry's field: a column's where there is one, else a message `key-NAME`.
    #[must_use]
    pub fn key(self, name: &str) -> String {
        let column = self.column(name);
        if column != name {
            return column;
        }
        let key = format!("key-{}", name.replace('_', "-"));
        let text = self.message(&key, &[]);
        if text == key { name.to_owned() } else { text }
    }

    /// How exports would write a cell in this language.
    #[must_use]
    pub(super) fn style(self) -> export::Style<'static> {
        export::Style { labels: Some((&tables().dictionaries, self.0)) }
    }

    /// Label of a dictionary's term; an unknown code is shown as it is.
    #[must_use]
    pub fn term(self, dictionary: &str, code: &str) -> String {
        tables().dictionaries.label(dictionary, code, self.0).to_owned()
    }

    /// Codes and labels of a dictionary's terms that are in use, for a select.
    #[must_use]
    pub fn terms(self, dictionary: &str) -> Vec<(String, String)> {
        let dictionary = tables().dictionaries.get(dictionary);
        let terms = dictionary.into_iter().flat_map(outlet_core::domain::dictionary::Dictionary::enabled);
        terms.map(|term| (term.code.clone(), term.label(self.0).to_owned())).collect()
    }

    /// Label of an outlet type of whatever scheme.
    #[must_use]
    pub fn outlet_type(self, code: &str) -> String {
        tables()
            .dictionaries
            .find_type(code)
            .map_or_else(|_| code.to_owned(), |(_, term)| term.label(self.0).to_owned())
    }

    /// Name of a county, unit or the city; a code that nobody knows stays as it is.
    #[must_use]
    pub fn place(self, code: &str) -> String {
        let known = export::label(code, self.0);
        if known != code {
            return known.to_owned();
        }
        let regions = &tables().regions;
        if regions.city.code == code {
            return regions.city.name.clone();
        }
        regions.unit(code).map_or_else(|| code.to_owned(), |unit| unit.name.clone())
    }

    /// Things in a row: 甲、乙、丙; one, two, three.
    #[must_use]
    pub fn list<T: AsRef<str>>(self, things: impl IntoIterator<Item = T>) -> String {
        self.joined(things, "、", ", ")
    }

    /// Statements in a row.
    #[must_use]
    pub fn clauses<T: AsRef<str>>(self, statements: impl IntoIterator<Item = T>) -> String {
        self.joined(statements, "；", "; ")
    }

    fn joined<T: AsRef<str>>(self, parts: impl IntoIterator<Item = T>, zh: &str, en: &str) -> String {
        let mut text = String::new();
        for part in parts {
            if !text.is_empty() {
                text.push_str(if self.0 == Lang::En { en } else { zh });
            }
            text.push_str(part.as_ref());
        }
        text
    }

    /// What is said beside something, in the brackets of the language.
    #[must_use]
    pub fn aside(self, text: &str) -> String {
        if self.0 == Lang::En { format!(" ({text})") } else { format!("（{text}）") }
    }

    /// A label before what it names.
    #[must_use]
    pub fn before(self, label: &str) -> String {
        if self.0 == Lang::En { format!("{label}: ") } else { format!("{label}：") }
    }

    /// Label of what an entry says of itself: the day of a sample is no "last sample". Other labels are [`Words::key`].
    #[must_use]
    pub fn said(self, name: &str) -> String {
        let key = format!("said-{}", name.replace('_', "-"));
        let text = self.message(&key, &[]);
        if text == key { self.key(name) } else { text }
    }

    /// Value of the `lang` attribute.
    #[must_use]
    pub fn tag(self) -> &'static str {
        if self.0 == Lang::En { "en" } else { "zh-CN" }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn keys(language: &str) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        for (name, text) in files(language) {
            let resource = FluentResource::try_new(text).unwrap_or_else(|(_, errors)| panic!("{name}: {errors:?}"));
            for entry in resource.entries() {
                if let fluent_syntax::ast::Entry::Message(message) = entry {
                    assert!(keys.insert(message.id.name.to_owned()), "{name}: {} twice", message.id.name);
                }
            }
        }
        keys
    }

    #[test]
    fn both_languages_have_the_same_messages() {
        assert_eq!(keys("zh"), keys("en"));
        assert!(keys("zh").len() > 30);
    }

    /// Everything between quotes after `needle`, in templates and sources of the console.
    fn used(needle: &str) -> BTreeSet<String> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut folders = vec![root.join("templates/console"), root.join("src/web/console")];
        let mut found = BTreeSet::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                let after = text.split(needle).skip(1).filter_map(|rest| rest.split('"').next());
                found.extend(after.map(str::to_owned));
            }
        }
        found
    }

    #[test]
    fn every_message_that_a_page_uses_exists() {
        let known = keys("zh");
        let all = [".t(\"", ".t1(\"", ".t2(\""].map(used);
        let missing: Vec<_> = all.into_iter().flatten().filter(|key| !known.contains(key)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn each_language_has_its_own_punctuation() {
        let things = ["a", "b"];
        assert_eq!((Words(Lang::Zh).list(things), Words(Lang::En).list(things)), ("a、b".into(), "a, b".into()));
        assert_eq!((Words(Lang::Zh).clauses(things), Words(Lang::En).clauses(things)), ("a；b".into(), "a; b".into()));
        assert_eq!((Words(Lang::Zh).aside("a"), Words(Lang::En).aside("a")), ("（a）".into(), " (a)".into()));
        assert_eq!((Words(Lang::Zh).before("a"), Words(Lang::En).before("a")), ("a：".into(), "a: ".into()));
    }

    /// Only [`Words`] knows them; `details.rs` is a table of Chinese sentences.
    #[test]
    fn no_page_joins_with_the_signs_of_one_language() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut folders = vec![root.join("templates/console"), root.join("src/web/console")];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let text = if path.is_dir() { String::new() } else { std::fs::read_to_string(&path).unwrap() };
                if ["join(\"、", "join(\"；", "join(\"，", "}、{", "}；", "}}：", "}}（"]
                    .iter()
                    .any(|sign| text.contains(sign))
                    && !["words.rs", "details.rs"].iter().any(|own| path.ends_with(own))
                {
                    found.push(path.clone());
                }
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn labels_are_those_of_exports() {
        assert_eq!(Words(Lang::Zh).column("waterbody"), "受纳水体");
        assert_eq!(Words(Lang::En).label("rectifying"), "rectifying");
        assert_eq!(Words(Lang::Zh).term("classification", "ban"), "取缔");
        assert_eq!(Words(Lang::En).place("511902"), "Bazhou");
        assert_eq!(Words(Lang::Zh).message("no-such-key", &[]), "no-such-key");
    }
}
