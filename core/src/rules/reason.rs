//! Why a rule holds, or what it misses: a code with what it names, said in the language of whoever
//! reads. Programs read the code, people the text.

use std::fmt;

use serde::Serialize;
use serde::ser::SerializeStruct as _;

use crate::domain::dictionary::Lang;

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Stable name.
    pub code: &'static str,
    /// Zones, layers or numbers that it speaks of.
    pub names: Vec<String>,
}

impl Reason {
    pub(super) fn new(code: &'static str) -> Self {
        Self { code, names: Vec::new() }
    }

    pub(super) fn of(code: &'static str, names: Vec<String>) -> Self {
        Self { code, names }
    }

    /// In words.
    #[must_use]
    pub fn text(&self, lang: Lang) -> String {
        let words = TEXTS.iter().find(|(code, ..)| *code == self.code);
        let words = words.map_or(self.code, |(_, zh, en)| if lang == Lang::Zh { zh } else { en });
        match (self.names.is_empty(), lang) {
            (true, _) => words.to_owned(),
            (false, Lang::Zh) => format!("{words}：{}", self.names.join("、")),
            (false, Lang::En) => format!("{words}: {}", self.names.join(", ")),
        }
    }
}

/// Several in one sentence.
#[must_use]
pub fn reasons(all: &[Reason], lang: Lang) -> String {
    let sign = if lang == Lang::Zh { "；" } else { "; " };
    all.iter().map(|reason| reason.text(lang)).collect::<Vec<_>>().join(sign)
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(Lang::En))
    }
}

/// `{"code", "names", "text"}`, the text in English.
impl Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Reason", 3)?;
        fields.serialize_field("code", self.code)?;
        fields.serialize_field("names", &self.names)?;
        fields.serialize_field("text", &self.text(Lang::En))?;
        fields.end()
    }
}

/// Code, Chinese, English.
const TEXTS: &[(&str, &str, &str)] = &[
    ("in_drinking_water_zone", "位于饮用水水源保护区内", "inside a drinking-water protection zone"),
    (
        "in_quasi_zone",
        "位于准保护区内，不属于保护区本身",
        "inside a quasi-protection zone (准保护区), which is outside the protection zone proper",
    ),
    (
        "in_protected_area",
        "位于自然保护地或生态保护红线内，历史遗留的逐一判定",
        "inside a protected area; legacy outlets are judged one by one",
    ),
    ("in_closed_water", "位于禁止新设排污口的水体", "inside a water where new outlets are banned"),
    (
        "sewage_not_collected",
        "城镇生活污水散排口，排查认定污水应纳未纳",
        "scattered urban sewage that the survey found uncollected (污水应纳未纳)",
    ),
    ("in_sewer_area", "城镇生活污水散排口，位于污水管网覆盖范围", "scattered urban sewage where the sewer reaches"),
    ("in_park", "企业位于有集中污水处理设施的园区内", "an enterprise inside a park with a central plant"),
    (
        "several_of_one_party",
        "同一责任主体有多个工矿企业排污口，应保留一个",
        "its responsible party has several industrial outlets, of which one is kept",
    ),
    ("not_separated", "雨污未分流", "rain and sewage are not separated (雨污分流)"),
    ("worn", "破损老旧、缺检查井、缺标识牌或多家共用", "old, damaged, without well or sign, or shared"),
    ("several_parties", "多个责任主体共用", "several parties discharge through it"),
    ("sign_not_right", "标识牌损坏、缺失或内容过期", "its sign is damaged, missing or out of date"),
    (
        "clean_storm_outlet",
        "雨洪排口晴天无排水、无异常，建档立牌即可",
        "a storm outlet without dry-weather flow or anything abnormal: archive and sign",
    ),
    ("no_consent", "排查认定无审批手续", "the survey found no consent (无审批手续)"),
    ("not_approved", "未经审批设置", "set up without consent (未审批)"),
    ("not_registered", "未登记", "not registered (未登记)"),
    ("evading_supervision", "逃避监管私自设置", "set up to evade supervision (逃避监管私自设置)"),
    // What is missing.
    ("type_missing", "排污口类型尚未确定", "the type of the outlet is not determined"),
    ("layer_missing", "没有这种图层", "no layer of this kind is loaded"),
    ("position_missing", "排污口没有定位", "the outlet has no position"),
    (
        "party_missing",
        "不知道责任主体，或不知道其有几个排污口",
        "the responsible party, or how many outlets it has, is not known here",
    ),
    ("not_surveyed", "尚未排查", "nobody has surveyed the outlet"),
    ("dry_weather_missing", "不知道晴天是否排水", "whether it discharges in dry weather is not known"),
    ("abnormal_missing", "没有填写有无异常", "whether anything is abnormal was not said"),
    ("approval_missing", "没有记录审批或登记情况", "whether it was approved or registered is not recorded"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_of_a_rule_has_words_in_both_languages() {
        let rules = [
            include_str!("zone.rs"),
            include_str!("network.rs"),
            include_str!("condition.rs"),
            include_str!("enforcement.rs"),
        ];
        let named = |rule: &'static str| {
            let made = ["Reason::new(\"", "Reason::of(\"", "/* why */ \""];
            made.into_iter().flat_map(move |call| rule.split(call).skip(1).filter_map(|rest| rest.split('"').next()))
        };
        let codes: Vec<&str> = rules.into_iter().flat_map(named).collect();
        assert!(codes.len() > 15, "{codes:?}");
        for code in codes {
            let reason = Reason { code: TEXTS.iter().find(|(own, ..)| *own == code).expect(code).0, names: Vec::new() };
            assert!(reason.text(Lang::Zh).chars().all(|sign| !sign.is_ascii_alphabetic()), "{reason:?}");
            assert_ne!(reason.text(Lang::En), code);
        }
    }

    #[test]
    fn what_a_reason_names_follows_its_words() {
        let reason = Reason::of("in_drinking_water_zone", vec!["甲区".to_owned(), "乙区".to_owned()]);
        assert_eq!(reason.text(Lang::Zh), "位于饮用水水源保护区内：甲区、乙区");
        assert_eq!(reason.to_string(), "inside a drinking-water protection zone: 甲区, 乙区");
        let json = serde_json::to_value(&reason).unwrap();
        assert_eq!((&json["code"], &json["names"][1]), (&"in_drinking_water_zone".into(), &"乙区".into()));
    }
}
