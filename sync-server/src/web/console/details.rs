//! What a finding says beside its name: values as they are, places and people by name, and the
//! explanations that the core writes in English in the words of the page.

use outlet_core::domain::dictionary::Lang;
use outlet_core::ledger::Finding;

use super::Page;

/// An explanation as the core writes it, and in Chinese: `{}` stands for a value.
const EXPLAINED: &[(&str, &str)] = &[
    ("the name is blank", "名称为空"),
    ("the name has 囗 (U+56D7) in place of 口 (U+53E3)", "“口”误写为“囗”"),
    ("the name mixes 米 and m", "“米”与“m”混用"),
    ("the name has a stray +", "多余的“+”"),
    ("the name says 其它, the official word is 其他", "“其它”应为“其他”"),
    ("the name has blanks or invisible characters in it", "含有空格或不可见字符"),
    ("the name has full-width letters or digits", "含有全角字母或数字"),
    ("{} belongs to the older class scheme", "“{}”属于旧的分类"),
    ("the name does not begin with {}", "名称没有以“{}”开头"),
    ("the county {} is not in the name", "名称中没有县（区）“{}”"),
    ("the name says {}, the record says it is in {}", "名称写的是“{}”，记录在“{}”"),
    ("the township {} is not in the name", "名称中没有乡镇“{}”"),
    ("the type {} is not in the name", "名称中没有类型“{}”"),
    ("the type {} is only abbreviated in the name", "名称中的类型“{}”用了简称"),
    ("the name says {}, the record says it flows into {}", "名称写的是“{}”，记录的受纳水体是“{}”"),
    ("the name has {} characters, at most {} fit on a sign", "名称有 {} 个字，标识牌最多 {} 个字"),
    ("the code says county {}, the record {}", "编码中的县（区）是 {}，记录是 {}"),
    (
        "{} is a management unit without a GB/T 2260 code: codes use the county's",
        "{} 是管理单元，没有 GB/T 2260 代码，编码应使用所在县（区）的代码",
    ),
    ("the serial is 0000", "序号为 0000"),
    ("the last part is {}, every known code has 00", "末段为 {}，已知编码均为 00"),
    ("the basin letters {} are not in this project's table", "流域字母 {} 不在表中"),
    ("no table knows the type letters {}", "类型字母 {} 不在表中"),
    ("the type letters {} are unverified", "类型字母 {} 尚未核实"),
    ("the type letters {} do not go with {}", "类型字母 {} 与类型“{}”不符"),
    ("this looks like a national code in the provincial field", "省级编码栏中填的像是国家编码"),
    ("the shape differs from the provincial codes seen so far", "与已有的省级编码格式不同"),
    ("a unified social credit code has 18 characters, {} has {}", "统一社会信用代码应为 18 位，{} 是 {} 位"),
    (
        "{} at position {} cannot occur in a unified social credit code (I, O, S, V, Z are not used)",
        "统一社会信用代码中不会出现 {}（第 {} 位）",
    ),
    ("the check character of {} should be {}: one of the characters is mistyped", "{} 的校验位应为 {}，有一位写错"),
    (
        "{} is not a discharge permit number: 18 characters of the credit code, three digits and P, such as 91130200699229617X001P",
        "{} 不是排污许可证号：应为 18 位信用代码加三位数字和 P",
    ),
];

/// What the log says of an action, likewise.
const LOGGED: &[(&str, &str)] = &[
    ("ticket {}, person {}", "凭证 {}，人员 {}"),
    ("sheet {}: {}", "批次 {}：{}"),
    ("{}: {} records of {}", "{}：{} 条记录，文件 {}"),
    ("{} ({} zones)", "{}（{} 个区）"),
    ("{} runs", "{} 批修改"),
    ("ledger of {} on {}", "{} 台账，{}"),
    ("problem_list of {} on {}", "{} 问题清单，{}"),
    ("{} records via {}: {}", "{} 条记录，经{}：{}"),
];

/// What the reader of a table says of the whole file.
const NOTED: &[(&str, &str)] = &[
    ("encoding {}, separator {}", "文字编码：{}；分隔符：{}"),
    ("sheet {}", "工作表：{}"),
    ("{} merged regions: the value of each is taken for all its cells", "{} 处合并单元格，各单元格都取合并后的值"),
    ("longitude and latitude of the points are the columns lon and lat", "点的经度、纬度为 lon、lat 两列"),
];

/// What the reader of a table says of the whole file, in the words of the page.
pub(super) fn noted(page: &Page, text: &str) -> String {
    let named = |value: &str| match value {
        "','" => "逗号".to_owned(),
        "';'" => "分号".to_owned(),
        "'|'" => "竖线".to_owned(),
        "'\\t'" => "制表符".to_owned(),
        other => other.to_owned(),
    };
    match page.words().0 {
        Lang::En => text.to_owned(),
        Lang::Zh => said(NOTED, text, named).unwrap_or_else(|| text.to_owned()),
    }
}

/// What a line of the log says beside its action.
pub(super) fn logged(page: &Page, text: &str) -> String {
    if page.words().0 == Lang::En {
        return text.to_owned();
    }
    let named = |value: &str| match value {
        "console" => "网页".to_owned(),
        "api" => "接口".to_owned(),
        "cli" => "命令行".to_owned(),
        other => other.to_owned(),
    };
    said(LOGGED, text, named).unwrap_or_else(|| text.to_owned())
}

/// Beside the name of a finding, in the words of the page.
pub(super) fn detail(page: &Page, finding: &Finding) -> Option<String> {
    let text = finding.detail.as_deref()?;
    Some(match (page.words().0, finding.code.as_str()) {
        (_, "county_assumed") => page.place(text),
        (Lang::En, _) => text.to_owned(),
        (Lang::Zh, "township_not_in_county") => match text.split_once(": ") {
            Some((township, county)) => format!("{township}：{}", page.place(county)),
            None => text.to_owned(),
        },
        (Lang::Zh, "code_inconsistent") => match text.split_once(": ") {
            Some((code, why)) => format!("{code}：{}", explained(page, why)),
            None => text.to_owned(),
        },
        // What the figures say stands on the page; its English sentence adds nothing.
        (Lang::Zh, "scale_mismatch" | "unknown_entry") => return None,
        (Lang::Zh, _) => explained(page, &super::outlet::titled(page, text)),
    })
}

/// An explanation in Chinese; anything else is a value and stays as it is.
fn explained(page: &Page, text: &str) -> String {
    let named = |value: &str| {
        let value = value.trim_matches(['"', '\'']);
        let named = page.place(value);
        if named == value { page.outlet_type(value) } else { named }
    };
    said(EXPLAINED, text, named).unwrap_or_else(|| text.to_owned())
}

/// The Chinese of the first pattern that fits.
fn said(table: &[(&str, &str)], text: &str, named: impl Fn(&str) -> String) -> Option<String> {
    let (values, chinese) = table.iter().find_map(|(english, chinese)| Some((values(english, text)?, chinese)))?;
    let mut values = values.into_iter().map(named);
    let mut parts = chinese.split("{}");
    let mut said = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        said.push_str(&values.next().unwrap_or_default());
        said.push_str(part);
    }
    Some(said)
}

/// What stands at the `{}` of a pattern; nothing when the text is another one.
fn values<'t>(pattern: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let mut parts = pattern.split("{}");
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut values = Vec::new();
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let (value, after) =
            if parts.peek().is_none() { (rest.strip_suffix(part)?, "") } else { rest.split_once(part)? };
        values.push(value);
        rest = after;
    }
    rest.is_empty().then_some(values)
}

#[cfg(test)]
mod tests {
    use outlet_core::domain::code::CodeFinding;
    use outlet_core::domain::lint::NameFinding;
    use outlet_core::domain::party::PartyError;

    use super::*;

    fn page() -> Page {
        Page::new(Lang::Zh, "/".into(), None, String::new())
    }

    #[test]
    fn what_the_core_explains_in_english_is_said_in_chinese() {
        let word = || "巴州区".to_owned();
        let names = [
            NameFinding::Blank,
            NameFinding::WrongMouth,
            NameFinding::MixedMetres,
            NameFinding::StrayPlus,
            NameFinding::OtherSpelling,
            NameFinding::Blanks,
            NameFinding::FullWidth,
            NameFinding::OldTypeWord(word()),
            NameFinding::CityMissing(word()),
            NameFinding::CountyMissing(word()),
            NameFinding::OtherCounty { named: word(), county: word() },
            NameFinding::TownshipMissing(word()),
            NameFinding::TypeMissing(word()),
            NameFinding::TypeAbbreviated(word()),
            NameFinding::OtherWater { named: word(), waterbody: word() },
            NameFinding::TooLong(90),
        ];
        let codes = [
            CodeFinding::CountyMismatch { code: 511_902, record: 511_921 },
            CodeFinding::NotACounty(511_971),
            CodeFinding::SerialZero,
            CodeFinding::Extension(7),
            CodeFinding::LooksNational,
            CodeFinding::UnusualShape,
        ];
        let parties = [
            PartyError::Length { got: "9151".into(), length: 4 },
            PartyError::Character { character: 'O', position: 3 },
            PartyError::Check { got: "91511902MA62D7PX7X".into(), expected: 'W' },
            PartyError::Permit("x".into()),
        ];
        let all = names.iter().map(ToString::to_string).chain(codes.iter().map(ToString::to_string));
        for text in all.chain(parties.iter().map(ToString::to_string)) {
            let said = explained(&page(), &text);
            assert!(said != text && !said.contains("the ") && !said.contains("{}"), "{text}: {said}");
        }
        for text in ["the type letters QT do not go with municipal", "no table knows the type letters XX"] {
            assert!(explained(&page(), text).contains("类型字母"), "{text}");
        }
        assert_eq!(explained(&page(), "东城街道"), "东城街道", "a value stays as it is");
    }

    #[test]
    fn the_log_is_in_the_words_of_the_page() {
        let zh = |text| logged(&page(), text);
        assert_eq!(zh("ticket 11, person d4e3538287bd"), "凭证 11，人员 d4e3538287bd");
        assert_eq!(zh("饮用水源 2020 (1 zones)"), "饮用水源 2020（1 个区）");
        assert_eq!(zh("3 records via console: ab cd"), "3 条记录，经网页：ab cd");
        assert_eq!(zh("127.0.0.1"), "127.0.0.1");
        let en = Page::new(Lang::En, "/".into(), None, String::new());
        assert_eq!(logged(&en, "2 runs"), "2 runs");
    }

    /// Every action that is written has a name in the message files.
    #[test]
    fn every_logged_action_has_a_name() {
        for action in [
            "sign in",
            "sign in by identity",
            "sign out",
            "decide",
            "ticket",
            "revoke",
            "init",
            "account_add",
            "account_password",
            "account_disable",
            "account_enable",
            "account_oidc",
            "release",
            "reject",
            "restore",
            "key_rotate",
            "zone_layer",
            "report",
            "import",
            "import_mapping",
            "code_block",
            "claim_release",
            "open",
            "token added",
            "token revoked",
            "clock accept",
            "seal",
            "pair_dismiss",
            "pair_restore",
        ] {
            let key = format!("audit-{}", action.replace([' ', '_'], "-"));
            assert_ne!(page().t(&key), key);
        }
    }

    #[test]
    fn people_and_places_are_named() {
        let finding = |code: &str, detail: &str| -> Finding {
            serde_json::from_value(serde_json::json!({"code": code, "severity": "notice", "detail": detail})).unwrap()
        };
        let said = |code, text| detail(&page(), &finding(code, text)).unwrap();
        assert_eq!(said("county_assumed", "511902"), "巴州区");
        assert_eq!(said("township_not_in_county", "东城街道: 511921"), "东城街道：通江县");
        assert_eq!(said("decision_by_author", "李四 (county supervisor)"), "李四（县级审核）");
        assert_eq!(
            said("code_inconsistent", "FA-511902-0001-GY-00: the code says county 511902, the record 511921"),
            "FA-511902-0001-GY-00：编码中的县（区）是 巴州区，记录是 通江县"
        );
    }
}
