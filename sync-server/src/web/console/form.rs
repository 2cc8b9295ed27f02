//! What somebody typed, kept until it is right: values and errors by field name. Forms of the
//! console are small; a field that is not there is empty.

use std::collections::BTreeMap;

/// Fields of a form, with what is wrong beside each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    values: BTreeMap<String, Vec<String>>,
    errors: BTreeMap<String, String>,
}

impl Form {
    /// Reads `application/x-www-form-urlencoded`, of a body or an address's query.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let mut values: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text) {
            values.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        Self { values, errors: BTreeMap::new() }
    }

    /// The first value of a field, without blanks around it; empty when there is none.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        self.values.get(name).and_then(|all| all.first()).map_or("", |value| value.trim())
    }

    /// As [`Form::value`], nothing when it is empty.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&str> {
        Some(self.value(name)).filter(|value| !value.is_empty())
    }

    /// The value exactly as sent: passwords may have blanks.
    #[must_use]
    pub fn exact(&self, name: &str) -> &str {
        self.values.get(name).and_then(|all| all.first()).map_or("", String::as_str)
    }

    /// All values of a field, empty ones left out.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let values = self.values.get(name).into_iter().flatten();
        values.map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// Was this value ticked or chosen?
    #[must_use]
    pub fn has(&self, name: &str, value: &str) -> bool {
        self.values.get(name).is_some_and(|all| all.iter().any(|one| one == value))
    }

    /// Fills a field: a form that starts with what is known.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.entry(name.to_owned()).or_default().push(value.into());
        self
    }

    /// Without a field.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.values.remove(name);
        self
    }

    /// Says what is wrong with a field; the first error of a field stays.
    pub fn fail(&mut self, name: &str, message: impl Into<String>) {
        self.errors.entry(name.to_owned()).or_insert_with(|| message.into());
    }

    /// What is wrong with a field.
    #[must_use]
    pub fn error(&self, name: &str) -> Option<&str> {
        self.errors.get(name).map(String::as_str)
    }

    /// Is anything wrong?
    #[must_use]
    pub fn failed(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Names and values in order of the names, those named left out and empty ones too.
    #[must_use]
    pub fn pairs_without(&self, names: &[&str]) -> Vec<(String, String)> {
        let kept = self.values.iter().filter(|(name, _)| !names.contains(&name.as_str()));
        let pairs = kept.flat_map(|(name, values)| values.iter().map(move |value| (name.clone(), value.clone())));
        pairs.filter(|(_, value)| !value.is_empty()).collect()
    }

    /// The fields as an address's query, those named left out and empty ones too.
    #[must_use]
    pub fn query_without(&self, names: &[&str]) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(self.pairs_without(names)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_is_kept_beside_what_is_wrong() {
        let mut form = Form::parse("name=+%E6%9D%8E%E5%9B%9B+&measure=a&measure=b&empty=".as_bytes());
        assert_eq!(form.value("name"), "李四");
        assert_eq!(form.exact("name"), " 李四 ");
        assert_eq!(form.all("measure").collect::<Vec<_>>(), ["a", "b"]);
        assert!(form.has("measure", "b") && !form.has("measure", "c"));
        assert_eq!((form.given("empty"), form.given("absent")), (None, None));
        form.fail("name", "too short");
        form.fail("name", "second");
        assert_eq!((form.error("name"), form.failed()), (Some("too short"), true));
        assert_eq!(form.query_without(&["name"]), "measure=a&measure=b");
    }
}
