//! Checks of an outlet's name, the mechanical ones that reviewers make by eye: pattern
//! `[市][县/区][乡镇][村/地标/企业][方位][距离][序号#][类型]`, and defects seen in real ledgers.
//!
//! Findings only; [`tidy`] offers the repair that needs no judgement.

use std::fmt;

/// Words of types that the current scheme no longer has: a name that carries one is out of date.
const OLD_TYPE_WORDS: [&str; 5] = ["种植业排口", "沟渠排口", "河港排口", "排干排口", "农业农村排口"];
/// Longest name of a real sample is below half of this.
const LONGEST: usize = 60;

/// What a name is compared with. Absent parts are not checked.
#[derive(Debug, Clone, Copy, Default)]
pub struct NameContext<'a> {
    /// City, such as 巴中市.
    pub city: Option<&'a str>,
    /// County or district, such as 巴州区.
    pub county: Option<&'a str>,
    /// Names of all known counties: one in the name that is not the record's is odd, whether or not
    /// the record's own must be in it.
    pub counties: &'a [&'a str],
    /// Name of the county that the record says.
    pub own_county: Option<&'a str>,
    /// Township.
    pub township: Option<&'a str>,
    /// Official label of the smallest type, such as 城镇雨洪排口.
    pub type_label: Option<&'a str>,
    /// The water it flows into, such as 巴河.
    pub waterbody: Option<&'a str>,
    /// Names of all known waters: one in the name that is not `waterbody` is odd.
    pub waters: &'a [&'a str],
}

/// What is odd about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameFinding {
    /// Nothing, or what people write for nothing (`-`, `/`, `无`).
    Blank,
    /// 囗 (U+56D7) in place of 口 (U+53E3).
    WrongMouth,
    /// Both 米 and m for metres.
    MixedMetres,
    /// A stray `+`.
    StrayPlus,
    /// 其它 in place of 其他.
    OtherSpelling,
    /// Blanks, line breaks, invisible characters.
    Blanks,
    /// Full-width letters or digits.
    FullWidth,
    /// A type of the older scheme.
    OldTypeWord(String),
    /// Does not begin with the city.
    CityMissing(String),
    /// The county is not in it.
    CountyMissing(String),
    /// Names another county than the record does.
    OtherCounty {
        /// In the name.
        named: String,
        /// In the record.
        county: String,
    },
    /// The township is not in it.
    TownshipMissing(String),
    /// Neither the type nor its last word is in it.
    TypeMissing(String),
    /// The last word fits, the type is abbreviated.
    TypeAbbreviated(String),
    /// Names another water than the record does.
    OtherWater {
        /// In the name.
        named: String,
        /// In the record.
        waterbody: String,
    },
    /// Longer than names are.
    TooLong(usize),
}

impl NameFinding {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Blank => "name_blank",
            Self::WrongMouth => "name_wrong_mouth",
            Self::MixedMetres => "name_mixed_metres",
            Self::StrayPlus => "name_stray_plus",
            Self::OtherSpelling => "name_other_spelling",
            Self::Blanks => "name_blanks",
            Self::FullWidth => "name_full_width",
            Self::OldTypeWord(_) => "name_old_type_word",
            Self::CityMissing(_) => "name_city_missing",
            Self::CountyMissing(_) => "name_county_missing",
            Self::OtherCounty { .. } => "name_other_county",
            Self::TownshipMissing(_) => "name_township_missing",
            Self::TypeMissing(_) => "name_type_missing",
            Self::TypeAbbreviated(_) => "name_type_abbreviated",
            Self::OtherWater { .. } => "name_other_water",
            Self::TooLong(_) => "name_too_long",
        }
    }

    /// A matter of taste rather than a fault: shown, never counted against a record.
    #[must_use]
    pub fn is_hint(&self) -> bool {
        matches!(self, Self::TypeAbbreviated(_) | Self::TownshipMissing(_) | Self::CityMissing(_))
    }
}

impl fmt::Display for NameFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("the name is blank"),
            Self::WrongMouth => f.write_str("the name has 囗 (U+56D7) in place of 口 (U+53E3)"),
            Self::MixedMetres => f.write_str("the name mixes 米 and m"),
            Self::StrayPlus => f.write_str("the name has a stray +"),
            Self::OtherSpelling => f.write_str("the name says 其它, the official word is 其他"),
            Self::Blanks => f.write_str("the name has blanks or invisible characters in it"),
            Self::FullWidth => f.write_str("the name has full-width letters or digits"),
            Self::OldTypeWord(word) => write!(f, "{word} belongs to the older class scheme"),
            Self::CityMissing(city) => write!(f, "the name does not begin with {city}"),
            Self::CountyMissing(county) => write!(f, "the county {county} is not in the name"),
            Self::OtherCounty { named, county } => {
                write!(f, "the name says {named}, the record says it is in {county}")
            }
            Self::TownshipMissing(township) => write!(f, "the township {township} is not in the name"),
            Self::TypeMissing(label) => write!(f, "the type {label} is not in the name"),
            Self::TypeAbbreviated(label) => write!(f, "the type {label} is only abbreviated in the name"),
            Self::OtherWater { named, waterbody } => {
                write!(f, "the name says {named}, the record says it flows into {waterbody}")
            }
            Self::TooLong(length) => write!(f, "the name has {length} characters, at most {LONGEST} fit on a sign"),
        }
    }
}

/// Is this what forms hold when nobody filled them in?
#[must_use]
pub fn is_blank(text: &str) -> bool {
    matches!(text.trim(), "" | "-" | "--" | "—" | "/" | "\\" | "无" | "空" | "null" | "NULL" | "N/A" | "''" | "``")
}

/// Checks a name. The order of findings is stable.
#[must_use]
pub fn lint_name(name: &str, context: &NameContext<'_>) -> Vec<NameFinding> {
    if is_blank(name) {
        return vec![NameFinding::Blank];
    }
    let mut found = lint_characters(name);
    let plain = tidy(name);
    found.extend(
        OLD_TYPE_WORDS
            .iter()
            .find(|word| plain.contains(*word))
            .map(|word| NameFinding::OldTypeWord((*word).to_owned())),
    );
    let lacks = |part: Option<&str>| part.filter(|part| !plain.contains(part)).map(str::to_owned);
    if let Some(city) = context.city.filter(|city| !plain.starts_with(city)) {
        found.push(NameFinding::CityMissing(city.to_owned()));
    }
    found.extend(lacks(context.county).map(NameFinding::CountyMissing));
    found.extend(other_county(&plain, context));
    found.extend(lacks(context.township).map(NameFinding::TownshipMissing));
    if let Some(label) = context.type_label.filter(|label| !plain.contains(label)) {
        // 排污口 and 排口 are two words of the official labels and are not exchanged for one another.
        let last_word = if label.ends_with("排污口") { "排污口" } else { "排口" };
        found.push(if plain.ends_with(last_word) {
            NameFinding::TypeAbbreviated(label.to_owned())
        } else {
            NameFinding::TypeMissing(label.to_owned())
        });
    }
    found.extend(other_water(&plain, context));
    let length = name.chars().count();
    if length > LONGEST {
        found.push(NameFinding::TooLong(length));
    }
    found
}

/// The longest known county in the name, if it is not the record's own and that one is not there.
fn other_county(plain: &str, context: &NameContext<'_>) -> Option<NameFinding> {
    let county = context.own_county.filter(|own| !plain.contains(own))?;
    let named = context.counties.iter().filter(|name| plain.contains(*name)).max_by_key(|name| name.len())?;
    Some(NameFinding::OtherCounty { named: (*named).to_owned(), county: county.to_owned() })
}

/// The longest known water in the name, if neither it nor any other there is the record's own.
fn other_water(plain: &str, context: &NameContext<'_>) -> Option<NameFinding> {
    let waterbody = context.waterbody.filter(|own| !plain.contains(own))?;
    let named = context.waters.iter().filter(|water| plain.contains(*water)).max_by_key(|water| water.len())?;
    (!waterbody.contains(named))
        .then(|| NameFinding::OtherWater { named: (*named).to_owned(), waterbody: waterbody.to_owned() })
}

fn lint_characters(name: &str) -> Vec<NameFinding> {
    let metres = name.contains('米') && {
        // `m` after a digit is the unit; elsewhere it is part of a word.
        name.chars()
            .zip(name.chars().skip(1))
            .any(|(before, c)| before.is_ascii_digit() && matches!(c, 'm' | 'M' | 'ｍ'))
    };
    let blanks = name.chars().any(|c| c.is_whitespace() || c.is_control() || is_invisible(c));
    let full_width = name.chars().any(|c| narrow(c) != c);
    let checks = [
        (name.contains('囗'), NameFinding::WrongMouth),
        (metres, NameFinding::MixedMetres),
        (name.contains(['+', '＋']), NameFinding::StrayPlus),
        (name.contains("其它"), NameFinding::OtherSpelling),
        (blanks, NameFinding::Blanks),
        (full_width, NameFinding::FullWidth),
    ];
    checks.into_iter().filter(|(odd, _)| *odd).map(|(_, finding)| finding).collect()
}

/// The name with everything repaired that needs no judgement: the wrong 囗, blanks, full-width letters
/// and digits, a stray `+`, 其它, and `m` after a number.
#[must_use]
pub fn tidy(name: &str) -> String {
    let mut tidied = String::with_capacity(name.len());
    let mut characters =
        name.chars().map(narrow).filter(|c| !c.is_whitespace() && !c.is_control() && !is_invisible(*c)).peekable();
    while let Some(c) = characters.next() {
        let after_digit = tidied.ends_with(|last: char| last.is_ascii_digit());
        let before_letter = characters.peek().is_some_and(char::is_ascii_alphabetic);
        tidied.push(match c {
            '囗' => '口',
            '+' => continue,
            'm' | 'M' if after_digit && !before_letter => '米',
            c => c,
        });
    }
    tidied.replace("其它", "其他")
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{00ad}')
}

/// Full-width letters and digits; full-width punctuation is proper in Chinese.
fn narrow(c: char) -> char {
    match c {
        '\u{ff10}'..='\u{ff19}' | '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' | '\u{ff03}' | '\u{ff0b}' => {
            char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c)
        }
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(name: &str, context: NameContext<'_>, expected: &[&str]) {
        assert_eq!(lint_name(name, &context).iter().map(NameFinding::code).collect::<Vec<_>>(), expected, "{name}");
    }

    #[test]
    fn good_names_have_no_findings() {
        let context = NameContext {
            city: Some("宜昌市"),
            county: Some("点军区"),
            township: Some("土城乡"),
            type_label: Some("城镇雨洪排口"),
            ..NameContext::default()
        };
        check("宜昌市点军区土城乡土家阁饭店东南180米城镇雨洪排口", context, &[]);
        check("宜昌市点军区土城乡加油站后1#城镇雨洪排口", context, &[]);
    }

    #[test]
    fn a_name_that_says_another_river_is_odd() {
        let waters = ["巴河", "通江河", "大通江河", "南江河"];
        let context = |waterbody| NameContext { waterbody: Some(waterbody), waters: &waters, ..NameContext::default() };
        check("南江县南江河左岸排口", context("巴河"), &["name_other_water"]);
        check("南江县南江河左岸排口", context("南江河"), &[]);
        check("大通江河口排口", context("通江河"), &[]);
        check("大通江河口排口", context("巴河"), &["name_other_water"]);
        check("南江县城东排口", context("巴河"), &[]);
        let said = lint_name("大通江河口排口", &context("巴河"))[0].to_string();
        assert_eq!(said, "the name says 大通江河, the record says it flows into 巴河");
    }

    #[test]
    fn a_name_that_says_another_county_is_odd() {
        let counties = ["巴州区", "恩阳区", "南江县"];
        let context = |own| NameContext { own_county: Some(own), counties: &counties, ..NameContext::default() };
        check("巴中市南江县东榆镇排口", context("巴州区"), &["name_other_county"]);
        check("巴中市南江县东榆镇排口", context("南江县"), &[]);
        check("东榆镇排口", context("巴州区"), &[]);
        check("巴州区与恩阳区交界排口", context("恩阳区"), &[]);
        let said = lint_name("南江县排口", &context("巴州区"))[0].to_string();
        assert_eq!(said, "the name says 南江县, the record says it is in 巴州区");
    }

    #[test]
    fn real_defects_are_found() {
        let none = NameContext::default();
        for (name, expected) in [
            ("", &["name_blank"][..]),
            (" / ", &["name_blank"]),
            ("无", &["name_blank"]),
            ("-", &["name_blank"]),
            ("某村雨洪排囗", &["name_wrong_mouth"]),
            ("某村东50m西20米排口", &["name_mixed_metres"]),
            ("某村东50m排口", &[]),
            ("某村+排口", &["name_stray_plus"]),
            ("某村其它排污口", &["name_other_spelling"]),
            ("某村 排口", &["name_blanks"]),
            ("某村\u{200b}排口", &["name_blanks"]),
            ("某村１＃排口", &["name_full_width"]),
            ("某村种植业排口", &["name_old_type_word"]),
            ("某村沟渠排口", &["name_old_type_word"]),
        ] {
            check(name, none, expected);
        }
        check(&"长".repeat(61), none, &["name_too_long"]);
    }

    #[test]
    fn place_and_type_are_compared_with_the_record() {
        let context = NameContext {
            city: Some("巴中市"),
            county: Some("恩阳区"),
            township: None,
            type_label: Some("城镇污水处理厂排污口"),
            ..NameContext::default()
        };
        check("巴中市恩阳区柳林镇柳林镇污水处理厂排污口", context, &["name_type_abbreviated"]);
        check("巴中市柳林镇城镇污水处理厂排污口", context, &["name_county_missing"]);
        check("恩阳区城镇污水处理厂排污口", context, &["name_city_missing"]);
        check("巴中市恩阳区柳林镇雨洪排口", context, &["name_type_missing"]);
        // A wrong 囗 alone must not also hide the type.
        check("巴中市恩阳区城镇污水处理厂排污囗", context, &["name_wrong_mouth"]);
    }

    #[test]
    fn tidying_repairs_what_needs_no_judgement() {
        for (name, tidied) in [
            ("某村 东５０m １＃雨洪排囗", "某村东50米1#雨洪排口"),
            ("某村+其它排污口", "某村其他排污口"),
            ("3Mx厂排口", "3Mx厂排口"),
        ] {
            assert_eq!(tidy(name), tidied);
        }
    }

    proptest! {
        #[test]
        fn tidying_once_is_enough(name in "[a-z0-9米m+ 囗其它排口１＃]{0,30}") {
            let once = tidy(&name);
            prop_assert_eq!(tidy(&once), once);
        }
    }
}
