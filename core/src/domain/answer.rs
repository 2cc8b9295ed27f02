//! Answers of a form: a value, left blank, or "cannot determine" (无法确定). None of them ever
//! becomes 0, "" or `false`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, IntoDeserializer as _, MapAccess, SeqAccess, Visitor};
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
        deserializer.deserialize_any(Said(PhantomData))
    }
}

/// Only an object may be "cannot determine": everything else is read as the value at once.
struct Said<T>(PhantomData<T>);

macro_rules! values {
    ($($visit:ident: $type:ty),* $(,)?) => {
        $(fn $visit<E: Error>(self, value: $type) -> Result<Answer<T>, E> {
            T::deserialize(value.into_deserializer()).map(Answer::Value)
        })*
    };
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Said<T> {
    type Value = Answer<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer, null, or cannot_determine")
    }

    values! { visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str, visit_string: String }

    fn visit_unit<E: Error>(self) -> Result<Answer<T>, E> {
        Ok(Answer::Blank)
    }

    fn visit_none<E: Error>(self) -> Result<Answer<T>, E> {
        Ok(Answer::Blank)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Answer<T>, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Answer<T>, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(items)).map(Answer::Value)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Answer<T>, A::Error> {
        match Shape::deserialize(MapAccessDeserializer::new(members))? {
            Shape::Undetermined(Undetermined { cannot_determine: true }) => Ok(Answer::CannotDetermine),
            Shape::Undetermined(_) => Err(A::Error::custom("cannot_determine is true or missing")),
            Shape::Value(value) => Ok(Answer::Value(value)),
        }
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
        for wrong in
            [r#"{"rain":0}"#, r#"{"rain":{"cannot_determine":false}}"#, r#"{"rain":{"cannot_determine":true,"x":1}}"#]
        {
            assert!(serde_json::from_str::<Form>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_answer_may_be_anything_that_json_holds() {
        fn read<T: for<'de> Deserialize<'de>>(json: &str) -> Answer<T> {
            let tree: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(
                serde_json::from_value::<Answer<T>>(tree).is_ok(),
                serde_json::from_str::<Answer<T>>(json).is_ok()
            );
            serde_json::from_str(json).unwrap()
        }
        assert_eq!(read::<f64>("3"), Answer::Value(3.0));
        assert_eq!(read::<f64>("-3.5e1"), Answer::Value(-35.0));
        assert_eq!(read::<i32>("-3"), Answer::Value(-3));
        assert_eq!(read::<String>(r#""a\n\u5df4""#), Answer::Value("a\n巴".to_owned()));
        assert_eq!(read::<Vec<String>>(r#"["a","b"]"#), Answer::Value(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(
            read::<std::collections::BTreeMap<String, u8>>(r#"{"a":1}"#),
            Answer::Value([("a".to_owned(), 1)].into())
        );
        assert_eq!(read::<Option<u8>>("null"), Answer::Blank);
    }
}
