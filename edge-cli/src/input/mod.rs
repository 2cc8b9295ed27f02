//! From what people type to typed values: three-valued answers, dates, coordinates, dictionary
//! codes. Nothing here touches a store.

pub(crate) mod answer;
pub(crate) mod choice;
pub(crate) mod place;
pub(crate) mod words;

pub(crate) use answer::Said;

/// Full-width digits, signs and letters (１０６．７５) as their half-width twins; ideographic
/// spaces as spaces. Chinese keyboards produce them without anybody noticing.
pub(crate) fn half_width(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0).unwrap_or(c),
            '\u{3000}' => ' ',
            '\u{3002}' => '.',
            '\u{2212}' => '-',
            _ => c,
        })
        .collect::<String>()
        .trim()
        .to_owned()
}

/// A day, for clap. Accepts full-width digits.
pub(crate) fn day(text: &str) -> Result<outlet_core::time::Day, outlet_core::time::DayError> {
    half_width(text).parse()
}

/// An instant with its offset (`2021-12-31T23:30:00+08:00`), for clap.
pub(crate) fn instant(text: &str) -> Result<outlet_core::time::Timestamp, outlet_core::time::DayError> {
    half_width(text).parse()
}
