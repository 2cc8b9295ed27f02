//! Why bytes are not a change that this program writes.

/// What the bounded reader found wrong. All of these are timeless: the same bytes are refused by
/// every replica, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Larger than a change may be.
    #[error("a change has at most {limit} bytes, this one has {bytes}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// It ends in the middle of something.
    #[error("the change is cut short")]
    Truncated,
    /// No automerge chunk.
    #[error("not a change chunk (wrong magic bytes)")]
    Magic,
    /// A document, a deflated change, a bundle, or a type unknown today.
    #[error("chunk type {0} is not an uncompressed change")]
    ChunkType(u8),
    /// The checksum is not of the contents.
    #[error("the checksum does not fit the contents")]
    Checksum,
    /// Bytes after the chunk, or after its last column.
    #[error("there are bytes after the end of the change")]
    Trailing,
    /// An integer that is not in its shortest form, or does not fit.
    #[error("an integer is not in its shortest form")]
    Integer,
    /// More than the reader accepts of something.
    #[error("more than a change may have: {0}")]
    Limit(&'static str),
    /// An actor is a public key and an incarnation: 36 bytes.
    #[error("an actor has {0} bytes instead of 36")]
    ActorLength(usize),
    /// The table of actors is not sorted, or names the author again.
    #[error("the table of actors is not in order")]
    ActorOrder,
    /// An actor of the table occurs in no operation.
    #[error("the table names an actor that no operation uses")]
    UnusedActor,
    /// An operation names an actor that is not in the table.
    #[error("an operation names an actor that is not in the table")]
    UnknownActor,
    /// Dependencies are not sorted, or twice the same.
    #[error("the dependencies are not in order")]
    DepOrder,
    /// Only the genesis depends on nothing.
    #[error("the change depends on nothing; only a genesis does")]
    NoDeps,
    /// Overwritten values are not sorted, or twice the same.
    #[error("the overwritten values of an operation are not in order")]
    PredOrder,
    /// The change carries a message.
    #[error("changes carry no message")]
    Message,
    /// Sequence number or operation counter out of range.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// A column that no legal operation needs.
    #[error("column {0} does not belong into a change of this program")]
    UnknownColumn(u32),
    /// A deflated column.
    #[error("column {0} is deflated")]
    Deflated(u32),
    /// Columns out of order or twice.
    #[error("the columns are not in order")]
    ColumnOrder,
    /// A column that every change needs.
    #[error("column {0} is missing")]
    MissingColumn(u32),
    /// A run of one: a run where a literal belongs.
    #[error("column {0} encodes a run where a literal belongs")]
    RunForLiteral(u32),
    /// A null in a column without nulls.
    #[error("column {0} has an empty cell")]
    Null(u32),
    /// Columns of different lengths.
    #[error("column {0} has another number of rows than the change has operations")]
    Rows(u32),
    /// No UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// An operation other than setting a value: objects, deletes, increments, marks.
    #[error("operation {0} is not a plain assignment")]
    Action(u64),
    /// An insertion into a list.
    #[error("an operation inserts into a list")]
    Insert,
    /// A value other than a text.
    #[error("a value of type {0} is not a text")]
    ValueType(u8),
    /// Nothing in it.
    #[error("the change has no operation")]
    Empty,
    /// The same content can be written in exactly one way, and this is another one.
    #[error("the change is not in the one form in which its content is written")]
    NotCanonical,
}
