//! The assessment as tables, for spreadsheets and CSV: in Chinese, since they are filed and
//! forwarded as they are.

use super::csv::{ExportError, plain_csv};
use super::label;
use crate::domain::dictionary::Lang;
use crate::ledger::{Assessment, GroupState, OutletLine, OutletState, ProgressRow, UnitAssessment};
use crate::time::Day;

/// One table with a title.
#[derive(Debug, Clone, PartialEq)]
pub struct AssessmentTable {
    /// Title, short enough for a sheet's tab.
    pub title: &'static str,
    /// Headers.
    pub head: Vec<&'static str>,
    /// Cells as text; nothing a spreadsheet would run as a formula.
    pub rows: Vec<Vec<String>>,
}

impl AssessmentTable {
    /// Units, open outlets, outlets that were late, extensions.
    #[must_use]
    pub fn all(assessment: &Assessment) -> Vec<Self> {
        let outlets = |title, pick: fn(&UnitAssessment) -> &Vec<OutletLine>| {
            let rows = assessment.units.iter().flat_map(|unit| pick(unit).iter().map(move |line| outlet(unit, line)));
            let head = vec![
                "考核对象",
                "排口标识",
                "编号",
                "名称",
                "整治类型",
                "状态",
                "天数",
                "完成日期",
                "证据等级",
                "未完成事项（责任方）",
                "责任主体",
                "主管部门",
                "延期至",
                "延期文号",
            ];
            Self { title, head, rows: rows.collect() }
        };
        vec![
            units(assessment),
            outlets("未完成排口", |unit| &unit.missing),
            outlets("逾期完成", |unit| &unit.done_late),
            outlets("延期", |unit| &unit.extended),
        ]
    }
}

/// The units and their open outlets as one CSV: a line per unit, then one per open outlet.
///
/// # Errors
/// The CSV writer's.
pub fn assessment_csv(assessment: &Assessment) -> Result<Vec<u8>, ExportError> {
    let tables = AssessmentTable::all(assessment);
    let parts: Vec<(&[&str], &[Vec<String>])> =
        tables[..2].iter().map(|table| (&table.head[..], &table.rows[..])).collect();
    plain_csv(&parts)
}

fn units(assessment: &Assessment) -> AssessmentTable {
    let row =
        |name: String, late: &str, verdict: String, row: &ProgressRow, beside: Option<&ProgressRow>, pace: String| {
            let grade = |code: &str| row.grades.get(code).copied().unwrap_or(0).to_string();
            vec![
                name,
                late.to_owned(),
                verdict,
                row.done.to_string(),
                row.of.to_string(),
                share(row),
                beside.map_or_else(String::new, share),
                format!("{}%", row.target),
                row.on_time.to_string(),
                row.late.to_string(),
                row.late_days.map_or_else(String::new, |days| days.to_string()),
                row.extended.to_string(),
                grade("contemporaneous"),
                grade("documented"),
                grade("asserted"),
                pace,
            ]
        };
    let one = |unit: &UnitAssessment| {
        let late = if unit.late { "是" } else { "否" };
        let pace = unit.pace_needed_per_week.map_or_else(String::new, |pace| pace.to_string());
        row(unit.addressee.clone(), late, verdict(&unit.headline), &unit.headline, Some(&unit.beside), pace)
    };
    let mut rows: Vec<Vec<String>> = assessment.units.iter().map(one).collect();
    rows.push(row("全市".to_owned(), "", String::new(), &assessment.area, None, String::new()));
    let head = vec![
        "考核对象",
        "通报、约谈",
        "结论",
        "完成数",
        "应完成数",
        "完成率",
        "另一口径完成率",
        "目标",
        "按期完成",
        "逾期完成",
        "逾期天数",
        "延期",
        "当时证据",
        "文件证据",
        "仅填报",
        "每周需完成",
    ];
    AssessmentTable { title: "考核单位", head, rows }
}

/// Whether the target was reached, and when; in Chinese like the rest of the file.
fn verdict(row: &ProgressRow) -> String {
    match row.state {
        GroupState::OnTime => "按期达标".to_owned(),
        GroupState::Late => format!("逾期{}天达标", row.late_days.unwrap_or_default()),
        GroupState::Behind => format!("未达标，差{}个", row.needs),
        GroupState::Open => format!("未到期，还差{}个", row.needs),
        GroupState::DocumentsMissing => {
            let names: Vec<&str> = row.unsealed().into_iter().map(|name| label(name, Lang::Zh)).collect();
            format!("比例已达标，尚未封存{}", names.join("、"))
        }
        GroupState::ScaleUndetermined => format!("比例已达标，{}个规模待定", row.scale_undetermined),
        GroupState::NotApplicable => "不适用".to_owned(),
    }
}

fn share(row: &ProgressRow) -> String {
    row.share.map_or_else(|| "-".to_owned(), |share| format!("{share:.1}%"))
}

fn outlet(unit: &UnitAssessment, line: &OutletLine) -> Vec<String> {
    let day = |day: Option<Day>| day.map_or_else(String::new, |day| day.to_string());
    let word = |code: &str| label(code, Lang::Zh).to_owned();
    let (state, days) = match &line.state {
        OutletState::OnTime { .. } => ("on_time", String::new()),
        OutletState::Late { days, .. } => ("late", days.to_string()),
        OutletState::Due { days } => ("due", days.to_string()),
        OutletState::Overdue { days } => ("overdue", days.to_string()),
        OutletState::Outstanding => ("outstanding", String::new()),
        OutletState::Extended { .. } => ("extended", String::new()),
        OutletState::Exempt { .. } => ("exempt", String::new()),
    };
    let missing = line.missing.iter().map(|one| format!("{}（{}）", word(one.condition.code()), whose(&one.whose)));
    vec![
        unit.addressee.clone(),
        line.id.to_string(),
        super::csv::harmless(line.number.as_deref().unwrap_or_default()),
        super::csv::harmless(line.name.as_deref().unwrap_or_default()),
        line.classification.as_deref().map(word).unwrap_or_default(),
        word(state),
        days,
        day(line.date),
        line.grade.map_or_else(String::new, |grade| word(grade.code())),
        missing.collect::<Vec<_>>().join("；"),
        super::csv::harmless(&super::mask(line.party.as_deref().unwrap_or_default())),
        super::csv::harmless(line.department.as_deref().unwrap_or_default()),
        day(line.extension.as_ref().and_then(|own| own.until)),
        super::csv::harmless(line.extension.as_ref().and_then(|own| own.document.as_deref()).unwrap_or_default()),
    ]
}

fn whose(code: &str) -> &'static str {
    match code {
        "inspector" => "排查队伍",
        "county" => "县级",
        "city" => "市级",
        _ => "责任主体",
    }
}
