//! Official codes of outlets: the national grammar, the provincial code taken as it is, and the
//! temporary field number that a device gives.
//!
//! A code is recorded from a platform or assigned by the server, never derived from river or type:
//! real codes disagree with both. Such disagreement is a finding; the code stays valid.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::dictionary::{Dictionaries, Lang};
use crate::ids::Actor;
use crate::time::Day;

/// Why a code is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// Not of the national shape.
    #[error(
        "{0:?} is not a national outlet code: expected two letters, county, serial, type letters and extension such as FA-511902-0001-GY-00"
    )]
    National(String),
    /// A code with a line break, blanks or nothing in it.
    #[error("{0:?} is not a provincial code: one to forty letters, digits, `-`, `/` or `.`")]
    Provincial(String),
    /// Not of the shape of a temporary number.
    #[error("{0:?} is not a temporary number: they look like T7K2MX-211231-004")]
    Temporary(String),
}

/// A national outlet code (排污口编码): `FA-511902-0001-GY-00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutletCode {
    basin: [u8; 2],
    county: u32,
    serial: u16,
    letters: [u8; 2],
    extension: u8,
}

impl OutletCode {
    /// Puts a code together.
    ///
    /// # Errors
    /// [`CodeError::National`] when a part does not fit the grammar.
    pub fn new(basin: &str, county: u32, serial: u16, letters: &str, extension: u8) -> Result<Self, CodeError> {
        format!("{basin}-{county:06}-{serial:04}-{letters}-{extension:02}").parse()
    }

    /// Basin and water system. Every code of the sample says `FA`, whatever its river.
    #[must_use]
    pub fn basin(&self) -> &str {
        std::str::from_utf8(&self.basin).expect("two ASCII letters by construction")
    }

    /// GB/T 2260 code of the county.
    #[must_use]
    pub fn county(&self) -> u32 {
        self.county
    }

    /// Number within the county.
    #[must_use]
    pub fn serial(&self) -> u16 {
        self.serial
    }

    /// Type letters, such as `GY`.
    #[must_use]
    pub fn letters(&self) -> &str {
        std::str::from_utf8(&self.letters).expect("two ASCII letters by construction")
    }

    /// The last two digits, `00` in every sample: their meaning is not known.
    #[must_use]
    pub fn extension(&self) -> u8 {
        self.extension
    }

    /// Without hyphens, as provinces write it.
    #[must_use]
    pub fn compact(&self) -> String {
        self.to_string().replace('-', "")
    }

    /// Compares the code with the record. Valid but inconsistent is a finding, never a refusal.
    #[must_use]
    pub fn lint(&self, record: &CodeContext<'_>) -> Vec<CodeFinding> {
        let mut found = Vec::new();
        if self.county % 100 > 70 && self.county / 100 == 5119 {
            found.push(CodeFinding::NotACounty(self.county));
        }
        if let Some(county) = record.county.filter(|county| *county != self.county) {
            found.push(CodeFinding::CountyMismatch { code: self.county, record: county });
        }
        if self.serial == 0 {
            found.push(CodeFinding::SerialZero);
        }
        if self.extension != 0 {
            found.push(CodeFinding::Extension(self.extension));
        }
        let basins = record.dictionaries.get("code_basin_letters");
        let known =
            basins.is_some_and(|known| known.enabled().any(|term| term.code.eq_ignore_ascii_case(self.basin())));
        if !known {
            found.push(CodeFinding::UnusualBasin(self.basin().to_owned()));
        }
        found.extend(self.lint_letters(record));
        found
    }

    fn lint_letters(&self, record: &CodeContext<'_>) -> Option<CodeFinding> {
        let letters = self.letters();
        let table = record.dictionaries.get("code_type_letters")?;
        let Some(term) = table.terms.iter().find(|term| term.code.eq_ignore_ascii_case(letters)) else {
            return Some(CodeFinding::UnknownLetters(letters.to_owned()));
        };
        if !term.enabled {
            return Some(CodeFinding::UnverifiedLetters(letters.to_owned()));
        }
        let line = record.dictionaries.ancestry("outlet_type_hj1312_2023", record.outlet_type?);
        let class = line.last()?;
        // A type that cannot be determined yet contradicts nothing.
        if class.code == "undetermined" || term.attribute_list("classes").any(|allowed| allowed == class.code) {
            return None;
        }
        Some(CodeFinding::TypeMismatch { letters: letters.to_owned(), class: class.label(Lang::Zh).to_owned() })
    }
}

/// What a code is compared with.
#[derive(Debug, Clone, Copy)]
pub struct CodeContext<'a> {
    /// County of the record.
    pub county: Option<u32>,
    /// Type of the record, a code of the current scheme.
    pub outlet_type: Option<&'a str>,
    /// The tables of letters.
    pub dictionaries: &'a Dictionaries,
}

impl fmt::Display for OutletCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { county, serial, extension, .. } = self;
        write!(f, "{}-{county:06}-{serial:04}-{}-{extension:02}", self.basin(), self.letters())
    }
}

impl FromStr for OutletCode {
    type Err = CodeError;

    /// Display or compact form; case, full-width letters and odd dashes are folded.
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let error = || CodeError::National(shorten(text));
        let folded = fold(text);
        let hyphens: Vec<usize> = folded.match_indices('-').map(|(at, _)| at).collect();
        if !(hyphens.is_empty() || hyphens == [2, 9, 14, 17]) {
            return Err(error());
        }
        let compact = folded.replace('-', "");
        let bytes: [u8; 16] = compact.as_bytes().try_into().map_err(|_| error())?;
        let letters = |at: usize| {
            let pair = [bytes[at], bytes[at + 1]];
            pair.iter().all(u8::is_ascii_uppercase).then_some(pair)
        };
        let digits = |from: usize, to: usize| {
            let part = &bytes[from..to];
            let all = part.iter().all(u8::is_ascii_digit);
            all.then(|| part.iter().fold(0u32, |value, digit| value * 10 + u32::from(digit - b'0')))
        };
        let county = digits(2, 8).filter(|county| *county >= 110_000).ok_or_else(error)?;
        Ok(Self {
            basin: letters(0).ok_or_else(error)?,
            county,
            serial: digits(8, 12).and_then(|serial| u16::try_from(serial).ok()).ok_or_else(error)?,
            letters: letters(12).ok_or_else(error)?,
            extension: digits(14, 16).and_then(|value| u8::try_from(value).ok()).ok_or_else(error)?,
        })
    }
}

impl Serialize for OutletCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OutletCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What is odd about a valid code.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeFinding {
    /// The county in the code is not the record's.
    CountyMismatch {
        /// In the code.
        code: u32,
        /// In the record.
        record: u32,
    },
    /// A management unit such as 511971 stands where a county code belongs.
    NotACounty(u32),
    /// Serial 0000.
    SerialZero,
    /// A non-zero extension.
    Extension(u8),
    /// Basin letters that the project does not use.
    UnusualBasin(String),
    /// Type letters that no table knows.
    UnknownLetters(String),
    /// Type letters that are in the table unverified.
    UnverifiedLetters(String),
    /// Type letters of another class than the record's type.
    TypeMismatch {
        /// In the code.
        letters: String,
        /// First-level class of the record's type.
        class: String,
    },
    /// A provincial code that is really of the national display form.
    LooksNational,
    /// A provincial code of another shape than those seen.
    UnusualShape,
}

impl CodeFinding {
    /// Stable code for lists and exports.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::CountyMismatch { .. } => "code_county_mismatch",
            Self::NotACounty(_) => "code_not_a_county",
            Self::SerialZero => "code_serial_zero",
            Self::Extension(_) => "code_extension",
            Self::UnusualBasin(_) => "code_unusual_basin",
            Self::UnknownLetters(_) => "code_unknown_letters",
            Self::UnverifiedLetters(_) => "code_unverified_letters",
            Self::TypeMismatch { .. } => "code_type_mismatch",
            Self::LooksNational => "code_looks_national",
            Self::UnusualShape => "code_unusual_shape",
        }
    }
}

impl fmt::Display for CodeFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CountyMismatch { code, record } => write!(f, "the code says county {code}, the record {record}"),
            Self::NotACounty(unit) => {
                write!(f, "{unit} is a management unit without a GB/T 2260 code: codes use the county's")
            }
            Self::SerialZero => f.write_str("the serial is 0000"),
            Self::Extension(value) => write!(f, "the last part is {value:02}, every known code has 00"),
            Self::UnusualBasin(letters) => write!(f, "the basin letters {letters} are not in this project's table"),
            Self::UnknownLetters(letters) => write!(f, "no table knows the type letters {letters}"),
            Self::UnverifiedLetters(letters) => write!(f, "the type letters {letters} are unverified"),
            Self::TypeMismatch { letters, class } => write!(f, "the type letters {letters} do not go with {class}"),
            Self::LooksNational => f.write_str("this looks like a national code in the provincial field"),
            Self::UnusualShape => f.write_str("the shape differs from the provincial codes seen so far"),
        }
    }
}

/// A provincial or local code: kept to the letter, never interpreted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProvincialCode(String);

impl ProvincialCode {
    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is odd about it.
    #[must_use]
    pub fn lint(&self, county: Option<u32>) -> Vec<CodeFinding> {
        if self.0.contains('-') && self.0.parse::<OutletCode>().is_ok() {
            return vec![CodeFinding::LooksNational];
        }
        let Ok(code) = self.0.parse::<OutletCode>() else { return vec![CodeFinding::UnusualShape] };
        let other = county.filter(|county| *county != code.county);
        other.map(|record| CodeFinding::CountyMismatch { code: code.county, record }).into_iter().collect()
    }
}

impl fmt::Display for ProvincialCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ProvincialCode {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let code = text.trim();
        let plain = code.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '/' | '.'));
        let some = code.chars().any(|c| c.is_ascii_alphanumeric());
        if plain && some && code.len() <= 40 {
            Ok(Self(code.to_owned()))
        } else {
            Err(CodeError::Provincial(shorten(text)))
        }
    }
}

impl TryFrom<String> for ProvincialCode {
    type Error = CodeError;

    fn try_from(text: String) -> Result<Self, CodeError> {
        text.parse()
    }
}

impl From<ProvincialCode> for String {
    fn from(code: ProvincialCode) -> Self {
        code.0
    }
}

/// Letters and digits that are not mistaken for one another when read aloud or painted on a wall.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A temporary field number (排口临时编号), given offline: `T7K2MX-211231-004`. The first part comes
/// from the device's actor, so devices do not collide; a copied home directory gets a new actor and
/// with it new numbers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemporaryNumber {
    device: [u8; 5],
    day: Day,
    serial: u16,
}

impl TemporaryNumber {
    /// The number of the `serial`-th outlet of this device on a day, from 1. None for 0 and beyond
    /// 9,999, and for a clock outside this century.
    #[must_use]
    pub fn new(actor: &Actor, day: Day, serial: u16) -> Option<Self> {
        let century = (2000..2100).contains(&day.parts().0);
        (century && (1..=9999).contains(&serial)).then(|| Self { device: device_part(actor), day, serial })
    }

    /// How all numbers of this device on a day begin.
    #[must_use]
    pub fn beginning(actor: &Actor, day: Day) -> String {
        let any = Self { device: device_part(actor), day, serial: 1 }.to_string();
        any.rfind('-').map_or_else(String::new, |at| any[..=at].to_owned())
    }

    /// Was it given by this actor?
    #[must_use]
    pub fn is_from(&self, actor: &Actor) -> bool {
        self.device == device_part(actor)
    }

    /// The day in it.
    #[must_use]
    pub fn day(&self) -> Day {
        self.day
    }

    /// The count in it.
    #[must_use]
    pub fn serial(&self) -> u16 {
        self.serial
    }

    /// The next number of the same device and day.
    #[must_use]
    pub fn next(&self) -> Option<Self> {
        (self.serial < 9999).then(|| Self { serial: self.serial + 1, ..self.clone() })
    }
}

fn device_part(actor: &Actor) -> [u8; 5] {
    let hash = blake3::Hasher::new_derive_key("outlet 2026 temporary number v1").update(&actor.0).finalize();
    let hash = hash.as_bytes();
    std::array::from_fn(|at| ALPHABET[usize::from(hash[at] % 32)])
}

impl fmt::Display for TemporaryNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.day.parts();
        let device = std::str::from_utf8(&self.device).expect("ASCII by construction");
        write!(f, "T{device}-{:02}{month:02}{day:02}-{:03}", year % 100, self.serial)
    }
}

impl FromStr for TemporaryNumber {
    type Err = CodeError;

    /// Case, full-width letters and odd dashes are folded.
    fn from_str(text: &str) -> Result<Self, CodeError> {
        let error = || CodeError::Temporary(shorten(text));
        let folded = fold(text);
        let parts: Vec<&str> = folded.split('-').collect();
        let [device, day, serial] = parts[..] else { return Err(error()) };
        let device: [u8; 6] = device.as_bytes().try_into().map_err(|_| error())?;
        let digits = day.len() == 6 && day.bytes().chain(serial.bytes()).all(|byte| byte.is_ascii_digit());
        if device[0] != b'T' || !device[1..].iter().all(|byte| ALPHABET.contains(byte)) || !digits {
            return Err(error());
        }
        let part = |range: std::ops::Range<usize>| day.get(range).and_then(|part| part.parse::<i8>().ok());
        let year = part(0..2).map(|year| 2000 + i16::from(year));
        let day = year.zip(part(2..4)).zip(part(4..6)).and_then(|((year, month), day)| Day::new(year, month, day));
        let number: u16 = serial.parse().map_err(|_| error())?;
        let canonical =
            (3..=4).contains(&serial.len()) && (1..=9999).contains(&number) && format!("{number:03}") == serial;
        let Some(day) = day.filter(|_| canonical) else { return Err(error()) };
        Ok(Self { device: [device[1], device[2], device[3], device[4], device[5]], day, serial: number })
    }
}

/// Upper case, full-width letters and odd dashes to ASCII, blanks around it gone.
fn fold(text: &str) -> String {
    text.trim()
        .chars()
        .take(64)
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
            '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' => '-',
            c => c,
        })
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::PublicKey;

    #[test]
    fn real_codes_are_read_in_both_forms() {
        for text in [
            "FA-420581-0259-GY-00",
            "FA-420528-0163-QT-00",
            "FA-420504-0107-QT-00",
            "FA-420503-0028-QT-00",
            "FA-420582-0083-QT-00",
        ] {
            let code: OutletCode = text.parse().unwrap();
            assert_eq!(code.to_string(), text);
            assert_eq!(code.compact().parse::<OutletCode>().unwrap(), code);
        }
        let code: OutletCode = " fa－420581－０２５９－gy－00 ".parse().unwrap();
        assert_eq!((code.basin(), code.county(), code.serial(), code.letters()), ("FA", 420_581, 259, "GY"));
        assert_eq!(OutletCode::new("FA", 511_902, 1, "GY", 0).unwrap().to_string(), "FA-511902-0001-GY-00");
    }

    #[test]
    fn other_shapes_are_refused() {
        for text in [
            "",
            "FA-420581-259-GY-00",
            "FA-420581-0259-GY",
            "F1-420581-0259-GY-00",
            "FA-42058-10259-GY-00",
            "FA4-20581-0259-GY-00",
            "FA-420581-0259-GY-0O",
            "FA-042058-0259-GY-00",
            "排口-420581-0259-GY-00",
            "FA420581025",
        ] {
            assert!(matches!(text.parse::<OutletCode>(), Err(CodeError::National(_))), "{text}");
        }
    }

    #[test]
    fn valid_but_inconsistent_is_a_finding() {
        let dictionaries = Dictionaries::embedded();
        let lint = |code: &str, county, outlet_type| {
            let context = CodeContext { county, outlet_type, dictionaries: &dictionaries };
            code.parse::<OutletCode>().unwrap().lint(&context).iter().map(CodeFinding::code).collect::<Vec<_>>()
        };
        let industrial = Some("industrial_enterprise");
        for (code, county, outlet_type, expected) in [
            ("FA-511902-0001-GY-00", Some(511_902), industrial, vec![]),
            ("FA-511902-0001-QT-00", Some(511_902), Some("urban_storm"), vec![]),
            ("FA-511902-0001-QT-00", Some(511_902), Some("undetermined"), vec![]),
            ("FA-511902-0001-QT-00", None, None, vec![]),
            ("FA-420503-0001-QT-00", Some(420_506), industrial, vec!["code_county_mismatch", "code_type_mismatch"]),
            ("FA-511971-0001-GY-00", None, industrial, vec!["code_not_a_county"]),
            ("FA-511902-0000-GY-01", None, industrial, vec!["code_serial_zero", "code_extension"]),
            ("FM-511902-0001-GY-00", None, industrial, vec!["code_unusual_basin"]),
            ("FA-511902-0001-NY-00", None, Some("livestock_large"), vec!["code_unverified_letters"]),
            ("FA-511902-0001-XX-00", None, None, vec!["code_unknown_letters"]),
        ] {
            assert_eq!(lint(code, county, outlet_type), expected, "{code}");
        }
    }

    #[test]
    fn provincial_codes_are_kept_to_the_letter() {
        for (text, county, expected) in [
            ("FA4205810319GY00", Some(420_581), vec![]),
            ("FM4205280216QT00", Some(420_528), vec![]),
            ("FM4205280216QT00", Some(420_529), vec!["code_county_mismatch"]),
            ("FA-420581-0259-GY-00", None, vec!["code_looks_national"]),
            ("A/0012.3", None, vec!["code_unusual_shape"]),
            ("SC-0012", None, vec!["code_unusual_shape"]),
        ] {
            let code: ProvincialCode = text.parse().unwrap();
            assert_eq!(code.as_str(), text);
            assert_eq!(code.lint(county).iter().map(CodeFinding::code).collect::<Vec<_>>(), expected, "{text}");
        }
        for text in ["", " ", "-", "/", "a b", "川A0012", &"1".repeat(41)] {
            assert!(text.parse::<ProvincialCode>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn temporary_numbers_differ_by_device_day_and_count() {
        let actor = Actor::new(PublicKey([1; 32]), [0; 4]);
        let copy = Actor::new(PublicKey([1; 32]), [1; 4]);
        let day: Day = "2021-12-31".parse().unwrap();
        let number = TemporaryNumber::new(&actor, day, 4).unwrap();
        let text = number.to_string();
        assert!(text.ends_with("-211231-004") && text.len() == 17, "{text}");
        assert_eq!(text.to_lowercase().parse::<TemporaryNumber>().unwrap(), number);
        assert!(number.is_from(&actor) && !number.is_from(&copy));
        assert_eq!(number.next().unwrap().to_string()[14..], *"005");
        assert!(TemporaryNumber::new(&actor, day, 0).is_none() && TemporaryNumber::new(&actor, day, 10_000).is_none());
        for text in
            ["", "T-211231-004", "T00000-211331-004", "T00000-211231-0", "T00000-211231-0004", "TILOU0-211231-004"]
        {
            assert!(text.parse::<TemporaryNumber>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn codes_come_back(county in 110_000u32..900_000, serial in 0u16..10_000, extension in 0u8..100) {
            let code = OutletCode::new("FA", county, serial, "QT", extension).unwrap();
            prop_assert_eq!(code.to_string().parse::<OutletCode>().unwrap(), code);
            prop_assert_eq!(code.compact().parse::<OutletCode>().unwrap(), code);
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = text.parse::<OutletCode>();
            let _ = text.parse::<ProvincialCode>();
            let _ = text.parse::<TemporaryNumber>();
        }

        #[test]
        fn temporary_numbers_come_back(key in any::<[u8; 32]>(), days in 11_000i64..47_000, serial in 1u16..10_000) {
            let actor = Actor::new(PublicKey(key), [9; 4]);
            let number = TemporaryNumber::new(&actor, Day::from_epoch_days(days), serial).unwrap();
            prop_assert_eq!(number.to_string().parse::<TemporaryNumber>().unwrap(), number);
        }
    }
}
