//! Parameters of an address: known ones only, each with a type and a sentence for what does not fit.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::Problem;

/// Parameters by name; of one that is given twice the last.
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads a query.
    ///
    /// # Errors
    /// 400 for a parameter that nobody knows: a mistyped filter must not show everything.
    pub(super) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut found = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let name: String = name.chars().take(60).collect();
                return Err(Problem::parameter(&name, "there is no such parameter"));
            }
            found.insert(name.into_owned(), value.into_owned());
        }
        Ok(Self(found))
    }

    /// The text, if it was given and is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// As [`Parameters::get`], but it must be there.
    pub(super) fn needed(&self, name: &str, wanted: &str) -> Result<&str, Problem> {
        self.get(name).ok_or_else(|| Problem::parameter(name, wanted))
    }

    /// A value of a type; `wanted` tells what to write.
    pub(super) fn parsed<T: FromStr>(&self, name: &str, wanted: &str) -> Result<Option<T>, Problem> {
        self.get(name).map(|text| text.parse().map_err(|_| Problem::parameter(name, wanted))).transpose()
    }

    /// `true` or `false`; absent is false.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Problem> {
        Ok(self.parsed(name, "write true or false")?.unwrap_or(false))
    }

    /// How many are wanted: from 1 to `most`.
    pub(super) fn limit(&self, usual: u64, most: u64) -> Result<u64, Problem> {
        let wrong = || Problem::parameter("limit", format!("write a number from 1 to {most}"));
        match self.get("limit").map(str::parse::<u64>) {
            None => Ok(usual),
            Some(Ok(limit)) if (1..=most).contains(&limit) => Ok(limit),
            Some(_) => Err(wrong()),
        }
    }
}
