//! Limits of the permit, and which of them a result exceeds.

use serde_json::{Value, json};

use crate::domain::dictionary::Dictionaries;
use crate::domain::field::Measurement;

/// Why a limit cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no limit: write cod=50 (highest value, in the parameter's own unit), or ph=6..9")]
pub struct LimitError(pub String);

/// Reads `cod=50` or `ph=6..9` as (parameter code, value of the fact `permit_limits`).
///
/// # Errors
/// [`LimitError`].
pub fn parse_limit(text: &str, dictionaries: &Dictionaries) -> Result<(String, Value), LimitError> {
    let wrong = || LimitError(text.chars().take(60).collect());
    let (parameter, limit) = text.split_once(['=', '＝']).ok_or_else(wrong)?;
    let code = dictionaries.lookup("parameter", parameter.trim()).map_err(|_| wrong())?.code.clone();
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(wrong);
    match limit.split_once("..") {
        Some((low, high)) => {
            let (low, high) = (number(low)?, number(high)?);
            if low < high { Ok((code, json!([low, high]))) } else { Err(wrong()) }
        }
        None => Ok((code, json!(number(limit)?))),
    }
}

/// Parameters whose result lies outside the limits. A result in another unit than the
/// dictionary's, without a value, or below detection says nothing.
#[must_use]
pub fn exceeded(limits: &Value, results: &[Measurement], dictionaries: &Dictionaries) -> Vec<String> {
    let outside = |result: &&Measurement| {
        let unit = dictionaries.get("parameter").and_then(|all| all.term(&result.parameter)?.attribute("unit"));
        let same_unit = unit.is_none_or(|unit| unit.eq_ignore_ascii_case(&result.unit));
        let Some(value) = result.value.filter(|_| same_unit && result.qualifier.as_deref() != Some("<")) else {
            return false;
        };
        match limits.get(&result.parameter) {
            Some(Value::Array(pair)) => {
                match (pair.first().and_then(Value::as_f64), pair.get(1).and_then(Value::as_f64)) {
                    (Some(low), Some(high)) => value < low || value > high,
                    _ => false,
                }
            }
            Some(limit) => limit.as_f64().is_some_and(|limit| value > limit),
            None => false,
        }
    };
    results.iter().filter(outside).map(|result| result.parameter.clone()).collect()
}
