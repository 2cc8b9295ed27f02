//! Answers of a form: a value, left blank, or "cannot determine" (无法确定). None of them ever
//! becomes 0, "" or `false`.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a form says to one question.
///
/// In JSON: a missing key (never asked), `null` (left blank), `{"cannot_determine": true}`, or the
/// value itself. A field of this type carries
/// `#[serde(default, skip_serializing_if = "Answer::is_absent")]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Answer<T> {
    /// The question was never put.
    #[default]
    Absent,
    /// Put and left empty.
    Blank,
    /// Put, looked at, and not decidable on the spot: complete, unlike blank.
    CannotDetermine,
    /// Answered.
    Value(T),
}

impl<T> Answer<T> {
    /// Never asked.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// A value or "cannot determine": what completeness asks for.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::CannotDetermine | Self::Value(_))
    }

    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }
}

impl<T> From<T> for Answer<T> {
    fn from(value: T) -> Self {
        Self::Value(value)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Undetermined {
    cannot_determine: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Shape<T> {
    Undetermined(Undetermined),
    Value(T),
}

impl<T: Serialize> Serialize for Answer<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent | Self::Blank => serializer.serialize_none(),
            Self::CannotDetermine => Undetermined { cannot_determine: true }.serialize(serializer),
            Self::Value(value) => value.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Answer<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Option::<Shape<T>>::deserialize(deserializer)? {
            None => Self::Blank,
            Some(Shape::Undetermined(Undetermined { cannot_determine: true })) => Self::CannotDetermine,
            Some(Shape::Undetermined(_)) => {
                return Err(serde::de::Error::custom("cannot_determine is true or missing"));
            }
            Some(Shape::Value(value)) => Self::Value(value),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug, Default)]
    struct Form {
        #[serde(default, skip_serializing_if = "Answer::is_absent")]
        smell: Answer<String>,
        #[serde(default, skip_serializing_if = "Answer::is_absent")]
        rain: Answer<bool>,
    }

    #[test]
    fn the_four_answers_stay_apart_in_json() {
        for (json, smell) in [
            ("{}", Answer::Absent),
            (r#"{"smell":null}"#, Answer::Blank),
            (r#"{"smell":{"cannot_determine":true}}"#, Answer::CannotDetermine),
            (r#"{"smell":"none"}"#, Answer::Value("none".to_owned())),
        ] {
            let form: Form = serde_json::from_str(json).unwrap();
            assert_eq!(form, Form { smell, rain: Answer::Absent });
            assert_eq!(serde_json::to_string(&form).unwrap(), json);
        }
        assert!(serde_json::from_str::<Form>(r#"{"rain":0}"#).is_err());
    }
}
