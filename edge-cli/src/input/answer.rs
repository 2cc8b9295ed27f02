//! Three-valued answers on the command line: a value, `blank` (留空) or `unknown` (无法确定).
//! Leaving the option out is a fourth: never asked.

use std::convert::Infallible;
use std::str::FromStr;

use outlet_core::domain::Answer;

use super::half_width;
use crate::error::{CommandError, Result};

/// What was typed after an option that takes an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// `blank`: put and left empty.
    Blank,
    /// `unknown`: looked at and not decidable on the spot.
    CannotDetermine,
    /// Anything else.
    Value(String),
}

impl FromStr for Said {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.trim() {
            "" | "blank" | "空" | "留空" => Self::Blank,
            "unknown" | "cannot-determine" | "cannot_determine" | "无法确定" | "暂无法确定" => {
                Self::CannotDetermine
            }
            value => Self::Value(value.to_owned()),
        })
    }
}

impl Said {
    /// The three answers, with `read` for a value.
    pub(crate) fn read<T>(said: Option<&Self>, read: impl FnOnce(&str) -> Result<T>) -> Result<Answer<T>> {
        Ok(match said {
            None => Answer::Absent,
            Some(Self::Blank) => Answer::Blank,
            Some(Self::CannotDetermine) => Answer::CannotDetermine,
            Some(Self::Value(text)) => Answer::Value(read(text)?),
        })
    }

    /// Yes or no.
    pub(crate) fn yes_no(said: Option<&Self>, option: &str) -> Result<Answer<bool>> {
        Self::read(said, |text| yes_no(text, option))
    }
}

fn yes_no(text: &str, option: &str) -> Result<bool> {
    match half_width(text).to_ascii_lowercase().as_str() {
        "yes" | "y" | "true" | "是" | "有" => Ok(true),
        "no" | "n" | "false" | "否" | "无" | "none" => Ok(false),
        _ => Err(CommandError::user(format!("{option} is yes or no, got {text:?}"))
            .hint(format!("answer {option} yes, no, blank, or unknown (无法确定)"))),
    }
}

/// A finite number of at least zero.
pub(crate) fn quantity(text: &str, option: &str) -> Result<f64> {
    let number = half_width(text).parse::<f64>().ok().filter(|number| number.is_finite());
    let Some(number) = number else {
        return Err(CommandError::user(format!("{option} is a number, got {text:?}"))
            .hint(format!("write it like {option} 12.5; if it could not be measured, {option} unknown")));
    };
    if number < 0.0 {
        return Err(CommandError::user(format!("{option} cannot be negative, got {text}"))
            .hint("check the sign; a value that was not measured is left out, not written as -1"));
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_unknown_and_values_stay_apart() {
        for (text, answer) in [
            ("blank", Answer::Blank),
            ("unknown", Answer::CannotDetermine),
            ("无法确定", Answer::CannotDetermine),
            ("是", Answer::Value(true)),
            ("NO", Answer::Value(false)),
        ] {
            let said = text.parse().unwrap();
            assert_eq!(Said::yes_no(Some(&said), "--mixed").unwrap(), answer, "{text}");
        }
        assert_eq!(Said::yes_no(None, "--mixed").unwrap(), Answer::Absent);
    }

    #[test]
    fn numbers_may_be_full_width_but_not_negative_or_infinite() {
        assert_eq!(quantity("１２．５", "--flow").unwrap(), 12.5);
        for bad in ["-1", "inf", "NaN", "12 m3", ""] {
            assert!(quantity(bad, "--flow").is_err(), "{bad}");
        }
    }
}
