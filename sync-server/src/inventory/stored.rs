//! A ledger row as it is stored: JSON without the cells that say nothing. Half of the text of a young
//! record would be names of empty cells, and two rows would not fit a page of the database.

use outlet_core::ledger::LedgerRow;

/// The text of a row. Reading it as a [`LedgerRow`] gives the row.
///
/// # Panics
/// Never: a row has string keys only.
#[must_use]
pub fn to_text(row: &LedgerRow) -> String {
    without_nulls(&serde_json::to_string(row).expect("a row has string keys only"))
}

/// The same object without members that are null. The text is as this program writes it: without
/// blanks; what lies deeper stays.
fn without_nulls(object: &str) -> String {
    let mut kept = String::with_capacity(object.len());
    kept.push('{');
    let mut keep = |member: &str| {
        if !member.ends_with(":null") && !member.is_empty() {
            if kept.len() > 1 {
                kept.push(',');
            }
            kept.push_str(member);
        }
    };
    let bytes = object.as_bytes();
    let (mut start, mut at, mut depth) = (1, 0, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_text(bytes, at),
            b'{' | b'[' => depth += 1,
            b',' if depth == 1 => {
                keep(&object[start..at]);
                start = at + 1;
            }
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    keep(&object[start..at]);
                }
            }
            _ => {}
        }
        at += 1;
    }
    kept.push('}');
    kept
}

/// Where the text ends that begins at this quotation mark.
fn end_of_text(bytes: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    while let Some(length) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| matches!(byte, b'"' | b'\\')))
    {
        at += length;
        if bytes[at] == b'"' {
            return at;
        }
        at += 2;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Dice, row};
    use super::*;

    #[test]
    fn members_that_are_null_go_and_nothing_else() {
        for (object, kept) in [
            ("{}", "{}"),
            (r#"{"a":null}"#, "{}"),
            (r#"{"a":null,"b":1,"c":null,"d":"x","e":null}"#, r#"{"b":1,"d":"x"}"#),
            (r#"{"a":{"b":null},"c":[null,{"d":null}],"e":[]}"#, r#"{"a":{"b":null},"c":[null,{"d":null}],"e":[]}"#),
            (
                r#"{"a":"},\"b\":null","c":"\\","d":null,"e":"{[:null","f":null}"#,
                r#"{"a":"},\"b\":null","c":"\\","e":"{[:null"}"#,
            ),
        ] {
            assert_eq!(without_nulls(object), kept);
        }
    }

    #[test]
    fn a_row_reads_back_as_it_was() {
        let mut dice = Dice(3);
        for number in 0..200 {
            let mut row = row(number, &mut dice);
            row.address = [None, Some("\"引号\",\\{河}:null".to_owned())][usize::from(number % 2 == 0)].clone();
            let (text, whole) = (to_text(&row), serde_json::to_string(&row).unwrap());
            assert!(text.len() < whole.len());
            let read = |text: &str| serde_json::from_str::<LedgerRow>(text).unwrap();
            assert_eq!(read(&text), read(&whole), "{text}");
        }
    }
}
