//! What the public sees of an outlet: six items of the closure sheet, and the text of its sign.
//! Nothing of it is personal: no contact, no name of an inspector, no position of a device.

use serde::Serialize;

use crate::domain::dictionary::{Dictionaries, Lang, type_dictionary};
use crate::ledger::{LedgerRow, LifeCycle};

/// A labelled line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Label.
    pub label: &'static str,
    /// Text; `—` where nothing is known.
    pub text: String,
}

const NOTHING: &str = "—";

fn line(label: &'static str, text: Option<String>) -> Line {
    Line { label, text: text.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| NOTHING.to_owned()) }
}

fn type_label(row: &LedgerRow, dictionaries: &Dictionaries) -> Option<String> {
    let code = row.outlet_type.as_deref()?;
    let dictionary = type_dictionary(row.type_scheme.as_deref().unwrap_or("hj1312_2023"));
    Some(dictionaries.label(&dictionary, code, Lang::Zh).to_owned())
}

/// A party as the public may see it: an organisation, never a natural person. Who has no credit
/// code may be one, and is shown as such.
fn party(row: &LedgerRow) -> Option<String> {
    let party = row.party.as_ref()?;
    if party.government_fallback || party.uscc.is_some() || party.permit_number.is_some() {
        return Some(party.name.clone());
    }
    let organisation = [
        "公司",
        "厂",
        "局",
        "政府",
        "委员会",
        "管委会",
        "办事处",
        "合作社",
        "中心",
        "医院",
        "学校",
        "集团",
        "站",
        "所",
    ];
    let is_one = organisation.iter().any(|word| party.name.ends_with(word));
    Some(if is_one { party.name.clone() } else { "个人（不公开）".to_owned() })
}

/// The six items that are published of an outlet (一口一策公示): 排水口类型, 溯源情况, 责任主体及主管部门,
/// 整治类型, 整治措施, 整治成效. Proposals are not decisions and are not shown.
#[must_use]
pub fn six_items(row: &LedgerRow, dictionaries: &Dictionaries) -> [Line; 6] {
    let class =
        row.classification.as_deref().map(|code| dictionaries.label("classification", code, Lang::Zh).to_owned());
    let measures: Vec<&str> = row.measures.iter().map(|code| dictionaries.label("measure", code, Lang::Zh)).collect();
    let traced = match row.traced_on {
        Some(_) => "已完成溯源",
        None => "溯源中",
    };
    let effect = match row.state {
        LifeCycle::InService | LifeCycle::Accepted => Some("已完成整治并通过验收"),
        LifeCycle::Closed => Some("已封堵或拆除，通过验收"),
        LifeCycle::Reopened => Some("复查发现问题，重新整治"),
        LifeCycle::CompletionReported | LifeCycle::CountyPassed => Some("整治完成，待验收"),
        LifeCycle::Rectifying | LifeCycle::PlanApproved | LifeCycle::Rejected => Some("整治中"),
        _ => None,
    };
    let both = [party(row), row.competent_department.clone()];
    let both: Vec<String> = both.into_iter().flatten().collect();
    [
        line("排水口类型", type_label(row, dictionaries)),
        line("溯源情况", Some(traced.to_owned())),
        line("责任主体及主管部门", Some(both.join("；"))),
        line("整治类型", class),
        line("整治措施", Some(measures.join("、"))),
        line("整治成效", effect.map(str::to_owned)),
    ]
}

/// The text of a sign (标识牌) from the ledger, so that sign and ledger agree; and the codes of what is
/// missing before one can be made.
#[must_use]
pub fn sign_text(
    row: &LedgerRow,
    dictionaries: &Dictionaries,
    hotline: Option<&str>,
) -> (Vec<Line>, Vec<&'static str>) {
    let code = row.national_code.clone().or_else(|| row.provincial_code.clone());
    let items = [
        ("name", "排污口名称", row.name.clone()),
        ("code", "排污口编码", code),
        ("outlet_type", "排污口类型", type_label(row, dictionaries)),
        ("waterbody", "受纳水体", row.waterbody.clone()),
        ("party", "责任主体", party(row)),
        ("competent_department", "监管单位", row.competent_department.clone()),
        ("hotline", "监督电话", hotline.map(str::to_owned)),
    ];
    let items = items.map(|(code, label, text)| (code, line(label, text)));
    let missing = items.iter().filter(|(_, line)| line.text == NOTHING).map(|(code, _)| *code).collect();
    (items.into_iter().map(|(_, line)| line).collect(), missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::PartyColumn;
    use crate::ledger::testing::Outlet;

    #[test]
    fn the_public_sees_six_items_and_nobody_s_name() {
        let all = Dictionaries::embedded();
        let mut row = Outlet::new().project().row;
        row.outlet_type = Some("urban_storm".to_owned());
        row.classification = Some("regulate".to_owned());
        row.measures = vec!["standardisation".to_owned()];
        row.competent_department = Some("巴州区住建局".to_owned());
        row.party = Some(PartyColumn { name: "张三".to_owned(), ..PartyColumn::default() });
        let items = six_items(&row, &all);
        assert_eq!(items[0].text, "城镇雨洪排口");
        assert_eq!(items[2].text, "个人（不公开）；巴州区住建局");
        assert!(items[3].text.contains("规范"), "{items:?}");
        assert_eq!(items[5].text, NOTHING);
        assert!(!serde_json::to_string(&items).unwrap().contains("张三"));
        row.party = Some(PartyColumn { name: "东兴食品有限公司".to_owned(), ..PartyColumn::default() });
        assert!(six_items(&row, &all)[2].text.starts_with("东兴食品有限公司"));
        row.classification = None;
        row.classification_proposed = Some("ban".to_owned());
        assert_eq!(six_items(&row, &all)[3].text, NOTHING, "a proposal is not published");
    }

    #[test]
    fn a_sign_says_what_the_ledger_says_and_what_is_missing() {
        let mut row = Outlet::new().project().row;
        row.name = Some("某排口".to_owned());
        row.waterbody = None;
        let (lines, missing) = sign_text(&row, &Dictionaries::embedded(), Some("12369"));
        assert_eq!((lines[0].text.as_str(), lines[6].text.as_str()), ("某排口", "12369"));
        assert!(missing.contains(&"code") && missing.contains(&"waterbody") && !missing.contains(&"name"));
    }
}
