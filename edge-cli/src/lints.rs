//! Names and official codes: what core finds odd about them, as warnings.

use outlet_core::doc::{facts, latest};
use outlet_core::domain::code::{CodeContext, OutletCode, ProvincialCode};
use outlet_core::domain::dictionary::{Lang, type_dictionary};
use outlet_core::domain::field::fact;
use outlet_core::domain::lint::{NameContext, lint_name};
use outlet_core::ids::{Collection, DocKey};

use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::ui::Warning;

/// The facts that a name or a code is compared with.
#[derive(Default)]
struct Compared {
    county: Option<String>,
    township: Option<String>,
    outlet_type: Option<String>,
    scheme: Option<String>,
    waterbody: Option<String>,
}

impl Context<'_> {
    /// Faults of a proposed name, without a record to compare it with.
    pub(crate) fn lint_name(&mut self, name: &str, collection: Collection) -> Result<Vec<Warning>> {
        let county = Some(collection.to_string());
        // A proposal is a working title: matters of taste wait for the approval.
        self.name_findings(name, &Compared { county, ..Compared::default() }, false)
    }

    /// Everything odd about a name that is to be approved.
    pub(crate) fn name_warnings(&mut self, key: &DocKey, name: &str) -> Result<Vec<Warning>> {
        let compared = self.compared(key)?;
        self.name_findings(name, &compared, true)
    }

    fn name_findings(&mut self, name: &str, compared: &Compared, hints: bool) -> Result<Vec<Warning>> {
        let dictionaries = self.dictionaries()?;
        let county = compared.county.as_deref().and_then(|code| dictionaries.county_name(code));
        let township = compared.township.as_deref().map(|code| dictionaries.township_name(code));
        let label = compared.outlet_type.as_deref().map(|code| {
            let scheme = compared.scheme.as_deref().unwrap_or("hj1312_2023");
            dictionaries.terms().label(&type_dictionary(scheme), code, Lang::Zh)
        });
        let (counties, waters) = (dictionaries.counties(), dictionaries.waters());
        let context = NameContext {
            waterbody: compared.waterbody.as_deref(),
            waters: &waters,
            city: hints.then_some("巴中市"),
            county: county.as_deref().filter(|_| hints),
            own_county: county.as_deref(),
            counties: &counties,
            township: township.as_deref(),
            type_label: label,
        };
        let found = lint_name(name, &context).into_iter().filter(|finding| hints || !finding.is_hint());
        Ok(found.map(|finding| Warning::new(finding.code(), format!("{finding}."))).collect())
    }

    fn compared(&mut self, key: &DocKey) -> Result<Compared> {
        let entries = self.document(key)?.map(|document| document.entries()).unwrap_or_default();
        let current = facts(&entries);
        let text = |field: &str| latest(current.get(field)?).and_then(|fact| fact.value.as_str()).map(str::to_owned);
        Ok(Compared {
            county: text(fact::COUNTY),
            township: text(fact::TOWNSHIP),
            outlet_type: text(fact::OUTLET_TYPE),
            scheme: text(fact::TYPE_SCHEME),
            waterbody: text(fact::WATERBODY),
        })
    }

    /// An official code in its canonical form, with what does not agree with the record.
    pub(crate) fn official_code(&mut self, key: &DocKey, system: &str, text: &str) -> Result<(String, Vec<Warning>)> {
        let compared = self.compared(key)?;
        let county = compared.county.as_deref().and_then(|code| code.parse().ok());
        let (canonical, findings) = if system == "national" {
            let code: OutletCode = text.parse().map_err(|error| {
                CommandError::user(error).hint(
                    "a national code is written FA-511902-0001-GY-00; for a provincial one add --system provincial",
                )
            })?;
            let dictionaries = self.dictionaries()?;
            let context = CodeContext {
                county,
                outlet_type: compared.outlet_type.as_deref(),
                dictionaries: dictionaries.terms(),
            };
            (code.to_string(), code.lint(&context))
        } else {
            let code: ProvincialCode = text
                .parse()
                .map_err(|error| CommandError::user(error).hint("copy the code as the platform shows it"))?;
            (code.as_str().to_owned(), code.lint(county))
        };
        let warnings = findings.iter().map(|finding| Warning::new(finding.code(), format!("{finding}."))).collect();
        Ok((canonical, warnings))
    }
}
