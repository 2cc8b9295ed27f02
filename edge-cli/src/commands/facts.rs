//! Facts of an outlet as options: shared by `add`, `survey` and `edit`. One table says which fact
//! each option asserts and how its text is read.

use clap::Args;
use outlet_core::domain::field::fact;
use outlet_core::ids::Collection;
use serde_json::{Value, json};

use crate::error::{CommandError, Result};
use crate::input::Said;
use crate::input::answer::quantity;
use crate::input::choice::Dictionaries;
use crate::input::half_width;
use crate::ui::Warning;

/// Facts. Each takes a value, `blank` (留空) or `unknown` (无法确定).
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Facts (a value, `blank`, or `unknown`)")]
pub(crate) struct FactArgs {
    /// 排污口名称, as proposed.
    #[arg(long)]
    name: Option<Said>,
    /// 受纳水体: code or name.
    #[arg(long)]
    waterbody: Option<Said>,
    /// 乡镇（街道）: code or name.
    #[arg(long)]
    township: Option<Said>,
    /// 村（社区）.
    #[arg(long)]
    village: Option<Said>,
    /// 详细地址.
    #[arg(long)]
    address: Option<Said>,
    /// left|right (左岸/右岸), facing downstream.
    #[arg(long)]
    bank: Option<Said>,
    /// 排污口类型: code or label.
    #[arg(long = "type")]
    outlet_type: Option<Said>,
    /// Class scheme of the type: hj1312_2023 or seven_2019 [default: the first that knows the type].
    #[arg(long, requires = "outlet_type")]
    type_scheme: Option<String>,
    /// 入河方式: code or label.
    #[arg(long)]
    entry_mode: Option<Said>,
    /// 口门形状.
    #[arg(long)]
    shape: Option<Said>,
    /// 管道材质.
    #[arg(long)]
    material: Option<Said>,
    /// Size in millimetres, such as DN600 or 800x600.
    #[arg(long)]
    size: Option<Said>,
    /// Day since which the outlet has existed.
    #[arg(long)]
    exists_from: Option<Said>,
    /// existing|new|altered|enlarged (现有/新设/改设/扩大).
    #[arg(long)]
    set_up: Option<Said>,
    /// open|sealed|abandoned (在用/封堵/废弃), as found.
    #[arg(long)]
    mouth: Option<Said>,
    /// suspected|outlet|needs_level_3 (疑似/排污口/三级排查); for 非排口 use `not-an-outlet`.
    #[arg(long)]
    state: Option<Said>,
    /// above|below|undetermined (规模以上/规模以下/规模待定), as judged by a person.
    #[arg(long)]
    scale: Option<Said>,
    /// Permitted, metered or declared volume, m3/d.
    #[arg(long)]
    volume_per_day: Option<Said>,
    /// The same in m3 per year.
    #[arg(long)]
    volume_per_year: Option<Said>,
    /// What the volume rests on: consent|permit|metered|statement.
    #[arg(long)]
    volume_basis: Option<String>,
    /// 审批状态: approved|registered|not_approved|not_registered.
    #[arg(long)]
    approval_status: Option<Said>,
    /// 排污许可证号.
    #[arg(long)]
    permit_number: Option<Said>,
    /// The permit's own discharge point (DW001): not the outlet.
    #[arg(long)]
    permit_point: Option<Said>,
    /// Limit of the permit, COD=50 or ph=6..9 in the parameter's own unit; repeat for several. All
    /// of them together replace what was there.
    #[arg(long)]
    permit_limit: Vec<String>,
    /// 排放标准.
    #[arg(long)]
    standard: Option<Said>,
    /// Provincial code as found.
    #[arg(long)]
    provincial_code: Option<Said>,
    /// National code as found on a sign or a paper.
    #[arg(long)]
    national_code: Option<Said>,
    /// County (GB/T 2260) used in assessment, if not the collection.
    #[arg(long)]
    county: Option<Said>,
    /// Reporting unit: a county code, or 511971 for 巴中经开区.
    #[arg(long)]
    management_unit: Option<Said>,
    /// 流域.
    #[arg(long)]
    basin: Option<Said>,
    /// 水功能区.
    #[arg(long)]
    water_function_zone: Option<Said>,
    /// 控制单元.
    #[arg(long)]
    control_unit: Option<Said>,
    /// 断面.
    #[arg(long)]
    section: Option<Said>,
    /// 河段（河长）.
    #[arg(long)]
    reach: Option<Said>,
    /// Free remark; the last one written stands.
    #[arg(long)]
    pub(crate) remark: Option<String>,
}

/// A fact to assert.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Assertion {
    /// [`fact`].
    pub(crate) field: &'static str,
    /// As stored.
    pub(crate) value: Value,
    /// [`outlet_core::domain::field::Fact::basis`].
    pub(crate) basis: Option<String>,
}

impl FactArgs {
    /// The name, if one is given with a value.
    pub(crate) fn name(&self) -> Option<&str> {
        match &self.name {
            Some(Said::Value(name)) => Some(name),
            _ => None,
        }
    }

    /// The county of the township, if one is given.
    pub(crate) fn township_county(&self, dictionaries: &Dictionaries) -> Result<Option<Collection>> {
        let Some(Said::Value(text)) = &self.township else { return Ok(None) };
        let code = dictionaries.township("--township", text)?;
        Ok(dictionaries.township_county(&code))
    }

    /// Every fact that was given, read and checked against the dictionaries.
    pub(crate) fn assertions(
        &self,
        dictionaries: &Dictionaries,
        warnings: &mut Vec<Warning>,
    ) -> Result<Vec<Assertion>> {
        let mut all = Vec::new();
        for (field, option, said) in self.given() {
            let Some(said) = said else { continue };
            let value = stored(field, option, said, dictionaries, warnings)?;
            let volume = field == fact::VOLUME_M3_PER_DAY || field == fact::VOLUME_M3_PER_YEAR;
            let basis = volume.then_some(self.volume_basis.as_deref()).flatten();
            let basis = basis.map(|basis| dictionaries.code("--volume-basis", "scale_basis", basis)).transpose()?;
            all.push(Assertion { field, value, basis });
        }
        self.type_assertions(dictionaries, &mut all)?;
        self.limit_assertion(dictionaries, &mut all)?;
        Ok(all)
    }

    /// A type without its scheme could be read in either of the two: they are written together.
    fn type_assertions(&self, dictionaries: &Dictionaries, all: &mut Vec<Assertion>) -> Result<()> {
        let assertion = |field, value| Assertion { field, value, basis: None };
        match &self.outlet_type {
            None => {}
            Some(Said::Value(text)) => {
                let (scheme, code) = dictionaries.outlet_type(self.type_scheme.as_deref(), text)?;
                all.push(assertion(fact::OUTLET_TYPE, json!(code)));
                all.push(assertion(fact::TYPE_SCHEME, json!(scheme)));
            }
            Some(other) => all.push(assertion(fact::OUTLET_TYPE, answer(other, |_| Ok(Value::Null))?)),
        }
        Ok(())
    }

    fn limit_assertion(&self, dictionaries: &Dictionaries, all: &mut Vec<Assertion>) -> Result<()> {
        let mut limits = serde_json::Map::new();
        for text in &self.permit_limit {
            let (parameter, limit) = outlet_core::worklist::parse_limit(text, dictionaries.terms())
                .map_err(|error| CommandError::user(error.to_string()).hint("write --permit-limit cod=50"))?;
            limits.insert(parameter, limit);
        }
        if !limits.is_empty() {
            all.push(Assertion { field: fact::PERMIT_LIMITS, value: Value::Object(limits), basis: None });
        }
        Ok(())
    }

    fn given(&self) -> [(&'static str, &'static str, Option<&Said>); 30] {
        [
            (fact::NAME, "--name", self.name.as_ref()),
            (fact::WATERBODY, "--waterbody", self.waterbody.as_ref()),
            (fact::TOWNSHIP, "--township", self.township.as_ref()),
            (fact::VILLAGE, "--village", self.village.as_ref()),
            (fact::ADDRESS, "--address", self.address.as_ref()),
            (fact::BANK, "--bank", self.bank.as_ref()),
            (fact::ENTRY_MODE, "--entry-mode", self.entry_mode.as_ref()),
            (fact::SHAPE, "--shape", self.shape.as_ref()),
            (fact::MATERIAL, "--material", self.material.as_ref()),
            (fact::SIZE, "--size", self.size.as_ref()),
            (fact::EXISTS_FROM, "--exists-from", self.exists_from.as_ref()),
            (fact::SET_UP, "--set-up", self.set_up.as_ref()),
            (fact::MOUTH, "--mouth", self.mouth.as_ref()),
            (fact::STATE, "--state", self.state.as_ref()),
            (fact::SCALE, "--scale", self.scale.as_ref()),
            (fact::VOLUME_M3_PER_DAY, "--volume-per-day", self.volume_per_day.as_ref()),
            (fact::VOLUME_M3_PER_YEAR, "--volume-per-year", self.volume_per_year.as_ref()),
            (fact::APPROVAL_STATUS, "--approval-status", self.approval_status.as_ref()),
            (fact::PERMIT_NUMBER, "--permit-number", self.permit_number.as_ref()),
            (fact::PERMIT_DISCHARGE_POINT, "--permit-point", self.permit_point.as_ref()),
            (fact::DISCHARGE_STANDARD, "--standard", self.standard.as_ref()),
            (fact::PROVINCIAL_CODE, "--provincial-code", self.provincial_code.as_ref()),
            (fact::NATIONAL_CODE, "--national-code", self.national_code.as_ref()),
            (fact::COUNTY, "--county", self.county.as_ref()),
            (fact::MANAGEMENT_UNIT, "--management-unit", self.management_unit.as_ref()),
            (fact::BASIN, "--basin", self.basin.as_ref()),
            (fact::WATER_FUNCTION_ZONE, "--water-function-zone", self.water_function_zone.as_ref()),
            (fact::CONTROL_UNIT, "--control-unit", self.control_unit.as_ref()),
            (fact::SECTION, "--section", self.section.as_ref()),
            (fact::REACH, "--reach", self.reach.as_ref()),
        ]
    }
}

/// An answer as a fact holds it.
fn answer(said: &Said, read: impl FnOnce(&str) -> Result<Value>) -> Result<Value> {
    Ok(match said {
        Said::Blank => Value::Null,
        Said::CannotDetermine => json!({"cannot_determine": true}),
        Said::Value(text) => read(text)?,
    })
}

/// The value of a gated fact, for a decision.
pub(crate) fn gated_value(field: &str, said: &Said, dictionaries: &Dictionaries) -> Result<Value> {
    stored(field, "the value", said, dictionaries, &mut Vec::new())
}

/// The dictionary of a fact whose values are codes.
fn dictionary_of(field: &str) -> Option<&'static str> {
    Some(match field {
        fact::BANK => "bank",
        fact::ENTRY_MODE => "entry_mode",
        fact::SHAPE => "shape",
        fact::MATERIAL => "material",
        fact::SET_UP => "set_up",
        fact::MOUTH => "mouth",
        fact::STATE => "outlet_state",
        fact::SCALE => "scale",
        fact::APPROVAL_STATUS => "approval_status",
        fact::CLASSIFICATION => "classification",
        _ => return None,
    })
}

fn stored(
    field: &str,
    option: &str,
    said: &Said,
    dictionaries: &Dictionaries,
    warnings: &mut Vec<Warning>,
) -> Result<Value> {
    answer(said, |text| {
        if let Some(dictionary) = dictionary_of(field) {
            return Ok(json!(dictionaries.code(option, dictionary, text)?));
        }
        Ok(match field {
            fact::TOWNSHIP => json!(dictionaries.township(option, text)?),
            fact::WATERBODY => json!(dictionaries.waterbody(text, warnings)),
            fact::COUNTY | fact::MANAGEMENT_UNIT => json!(dictionaries.unit_code(option, text)?),
            fact::EXISTS_FROM => json!(crate::input::day(text).map_err(|error| {
                CommandError::user(error)
                    .hint(format!("write it like {option} 2018-05-01; if nobody knows, {option} unknown"))
            })?),
            fact::VOLUME_M3_PER_DAY | fact::VOLUME_M3_PER_YEAR => json!(quantity(text, option)?),
            fact::NATIONAL_CODE | fact::PROVINCIAL_CODE => json!(half_width(text).to_ascii_uppercase()),
            _ => json!(text.trim()),
        })
    })
}
