//! Order of a list, and where a page of it ended.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::{DateColumn, Dimension};

/// Upwards or downwards. What is not recorded comes last either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smallest first.
    Up,
    /// Largest first.
    Down,
}

/// A column that a list can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SortColumn {
    /// When the row last changed.
    Changed,
    /// Name.
    Name,
    /// National, else provincial, else temporary number.
    Number,
    /// Primary responsible party.
    Party,
    /// A day.
    Date(DateColumn),
    /// A column of few values.
    Value(Dimension),
}

/// Dimensions with an order that means something to people.
const SORTABLE: [Dimension; 15] = [
    Dimension::Collection,
    Dimension::County,
    Dimension::Unit,
    Dimension::Township,
    Dimension::Waterbody,
    Dimension::Class,
    Dimension::Proposed,
    Dimension::State,
    Dimension::Review,
    Dimension::Type,
    Dimension::Scale,
    Dimension::EntryMode,
    Dimension::Sign,
    Dimension::Problems,
    Dimension::Due,
];

impl SortColumn {
    /// All, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        let dates = DateColumn::ALL.iter().map(|column| Self::Date(*column));
        let values = SORTABLE.iter().map(|dimension| Self::Value(*dimension));
        [Self::Changed, Self::Name, Self::Number, Self::Party].into_iter().chain(dates).chain(values)
    }

    /// The word used in addresses.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Name => "name",
            Self::Number => "number",
            Self::Party => "party",
            Self::Date(column) => column.code(),
            Self::Value(dimension) => dimension.code(),
        }
    }
}

/// Order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sort {
    /// By what.
    pub column: SortColumn,
    /// Which way.
    pub direction: Direction,
}

impl Default for Sort {
    /// What changed last comes first.
    fn default() -> Self {
        Self { column: SortColumn::Changed, direction: Direction::Down }
    }
}

impl Sort {
    /// For whoever reads everything, page by page: rows that change meanwhile keep their place.
    #[must_use]
    pub fn default_for_reading() -> Self {
        Self { column: SortColumn::Value(Dimension::Collection), direction: Direction::Up }
    }

    /// `name`, or `-name` for downwards.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (direction, code) = text.strip_prefix('-').map_or((Direction::Up, text), |code| (Direction::Down, code));
        SortColumn::all().find(|column| column.code() == code).map(|column| Self { column, direction })
    }
}

impl std::fmt::Display for Sort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.direction == Direction::Down { "-" } else { "" };
        write!(f, "{sign}{}", self.column.code())
    }
}

/// The last row of a page: value of the sorted column, and id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    pub(super) key: Key,
    pub(super) id: u32,
}

/// A value that is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Key {
    /// A day, a version.
    Integer(i64),
    /// A text.
    Text(String),
    /// Nothing recorded.
    Absent,
}

/// A cursor that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// Not made by this server, or cut.
    #[error("the cursor is not one that this server gave out; start again without it")]
    Malformed,
    /// Of another list.
    #[error("the cursor belongs to a list with other filters or another order; start again without it")]
    OtherList,
}

/// Longest cursor that is looked at.
const LONGEST: usize = 4096;

/// Bytes of the check.
const CHECK: usize = 8;

impl Cursor {
    /// As text. `list` is the query that the cursor belongs to.
    #[must_use]
    pub fn encode(&self, list: &str) -> String {
        let body = serde_json::to_vec(self).expect("numbers and texts");
        let mut bytes = check(list, &body).to_vec();
        bytes.extend_from_slice(&check("", &body));
        bytes.extend(body);
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// Inverse of [`Cursor::encode`]. The check tells mistakes, it keeps no secret: rights are part
    /// of every query and are looked at again.
    ///
    /// # Errors
    /// [`CursorError`].
    pub fn decode(text: &str, list: &str) -> Result<Self, CursorError> {
        if text.len() > LONGEST {
            return Err(CursorError::Malformed);
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| CursorError::Malformed)?;
        let (of_list, rest) = bytes.split_at_checked(CHECK).ok_or(CursorError::Malformed)?;
        let (whole, body) = rest.split_at_checked(CHECK).ok_or(CursorError::Malformed)?;
        if whole != check("", body) {
            return Err(CursorError::Malformed);
        }
        if of_list != check(list, body) {
            return Err(CursorError::OtherList);
        }
        serde_json::from_slice(body).map_err(|_| CursorError::Malformed)
    }
}

fn check(list: &str, body: &[u8]) -> [u8; CHECK] {
    let mut hasher = blake3::Hasher::new_derive_key("outlet ledger inventory cursor v1");
    hasher.update(&(list.len() as u64).to_le_bytes()).update(list.as_bytes()).update(body);
    let mut check = [0; CHECK];
    hasher.finalize_xof().fill(&mut check);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_only_to_its_own_list() {
        for key in [Key::Absent, Key::Integer(-5), Key::Text("南江".into()), Key::Text("5".into())] {
            let cursor = Cursor { key, id: 7 };
            let text = cursor.encode("class=ban&sort=name");
            assert_eq!(Cursor::decode(&text, "class=ban&sort=name").unwrap(), cursor);
            assert_eq!(Cursor::decode(&text, "class=ban&sort=-name"), Err(CursorError::OtherList));
            assert_eq!(Cursor::decode(&text[1..], "class=ban&sort=name"), Err(CursorError::Malformed));
        }
        for text in ["", "x", "§", "AAAAAAAAAAAAAAAAAAAAAAAA", &"A".repeat(100_000)] {
            assert_eq!(Cursor::decode(text, ""), Err(CursorError::Malformed));
        }
    }

    #[test]
    fn every_order_has_a_word() {
        for column in SortColumn::all() {
            for direction in [Direction::Up, Direction::Down] {
                let sort = Sort { column, direction };
                assert_eq!(Sort::parse(&sort.to_string()), Some(sort));
            }
        }
        assert_eq!(Sort::parse("--name"), None);
        assert_eq!(Sort::parse("flag"), None);
    }
}
