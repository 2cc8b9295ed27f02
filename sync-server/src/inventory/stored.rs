//! A ledger row as it is stored: JSON without the cells that say nothing. Half of the text of a young
//! record would be names of empty cells, and two rows would not fit a page of the database.

use std::io::{self, Write};

use outlet_core::ledger::LedgerRow;
use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter};

/// The text of a row. Reading it as a [`LedgerRow`] gives the row.
///
/// # Panics
/// Never: a row has string keys only.
#[must_use]
pub fn to_text(row: &LedgerRow) -> String {
    // Most rows take less.
    sparse(row, 4096)
}

fn sparse(object: &impl Serialize, room: usize) -> String {
    let mut text = Vec::with_capacity(room);
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, Sparse::default());
    object.serialize(&mut serializer).expect("a row has string keys only");
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// Writes an object without those of its own members that are null: the name of each is held back until
/// its value turns out to be something. What lies deeper stays.
#[derive(Default)]
struct Sparse {
    depth: usize,
    /// The name is being told; it goes to `name`.
    naming: bool,
    name: Vec<u8>,
    /// A member has been written.
    any: bool,
}

impl Sparse {
    fn is_member(&self) -> bool {
        self.depth == 1
    }

    /// A value begins that is not null.
    fn release<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.name.is_empty() {
            return Ok(());
        }
        if std::mem::replace(&mut self.any, true) {
            writer.write_all(b",")?;
        }
        writer.write_all(&self.name)?;
        self.name.clear();
        Ok(())
    }
}

/// Values that are more than null.
macro_rules! scalars {
    ($($write:ident: $type:ty),* $(,)?) => {
        $(fn $write<W: ?Sized + Write>(&mut self, writer: &mut W, value: $type) -> io::Result<()> {
            self.release(writer)?;
            CompactFormatter.$write(writer, value)
        })*
    };
}

impl Formatter for Sparse {
    scalars! {
        write_bool: bool, write_i8: i8, write_i16: i16, write_i32: i32, write_i64: i64, write_i128: i128,
        write_u8: u8, write_u16: u16, write_u32: u32, write_u64: u64, write_u128: u128,
        write_f32: f32, write_f64: f64, write_number_str: &str, write_byte_array: &[u8], write_raw_fragment: &str,
    }

    fn write_null<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.is_member() {
            self.name.clear();
            return Ok(());
        }
        CompactFormatter.write_null(writer)
    }

    fn begin_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.naming {
            return CompactFormatter.begin_string(&mut self.name);
        }
        self.release(writer)?;
        CompactFormatter.begin_string(writer)
    }

    fn end_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.naming { CompactFormatter.end_string(&mut self.name) } else { CompactFormatter.end_string(writer) }
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if self.naming {
            return CompactFormatter.write_string_fragment(&mut self.name, fragment);
        }
        CompactFormatter.write_string_fragment(writer, fragment)
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        if self.naming {
            return CompactFormatter.write_char_escape(&mut self.name, escape);
        }
        CompactFormatter.write_char_escape(writer, escape)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.release(writer)?;
        self.depth += 1;
        CompactFormatter.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        CompactFormatter.end_array(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.release(writer)?;
        self.depth += 1;
        CompactFormatter.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        CompactFormatter.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.naming = self.is_member();
        if self.naming { Ok(()) } else { CompactFormatter.begin_object_key(writer, first) }
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        if std::mem::take(&mut self.naming) {
            return CompactFormatter.begin_object_value(&mut self.name);
        }
        CompactFormatter.begin_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::testing::{Dice, row};
    use super::*;

    #[test]
    fn members_that_are_null_go_and_nothing_else() {
        for (object, kept) in [
            ("{}", "{}"),
            (r#"{"a":null}"#, "{}"),
            (r#"{"a":null,"b":1,"c":null,"d":"x","e":null}"#, r#"{"b":1,"d":"x"}"#),
            (r#"{"a":{"b":null},"c":[null,{"d":null}],"e":[]}"#, r#"{"a":{"b":null},"c":[null,{"d":null}],"e":[]}"#),
            (r#"{"a\n":null,"b\t":"\n","c":[{"d\n":null}]}"#, r#"{"b\t":"\n","c":[{"d\n":null}]}"#),
            (
                r#"{"a":-1,"b":1.5,"c":true,"d":null,"e":18446744073709551615}"#,
                r#"{"a":-1,"b":1.5,"c":true,"e":18446744073709551615}"#,
            ),
            (
                r#"{"a":"},\"b\":null","c":"\\","d":null,"e":"{[:null","f":null}"#,
                r#"{"a":"},\"b\":null","c":"\\","e":"{[:null"}"#,
            ),
        ] {
            let object: Value = serde_json::from_str(object).unwrap();
            assert_eq!(sparse(&object, 0), kept);
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
