//! Why a session is refused or ended, as both sides say it.

use minicbor::{Decode, Encode};

/// Why a session is refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// For programs.
    pub code: RefusalCode,
    /// For people: what happened, why, what to do. At most 500 bytes travel.
    pub text: String,
}

/// Reasons to refuse or end a session, as on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
#[cbor(index_only)]
#[non_exhaustive]
pub enum RefusalCode {
    /// The peer broke the protocol.
    #[n(0)]
    Malformed,
    /// No common protocol version.
    #[n(1)]
    Version,
    /// The key belongs to no member here.
    #[n(2)]
    UnknownMember,
    /// The membership was revoked.
    #[n(3)]
    Revoked,
    /// The certificate's validity is over (or has not begun).
    #[n(4)]
    Expired,
    /// The ticket is not known here.
    #[n(5)]
    TicketUnknown,
    /// The ticket's time is over.
    #[n(6)]
    TicketExpired,
    /// The ticket was used by another key.
    #[n(7)]
    TicketUsed,
    /// This is not the server the peer looked for.
    #[n(8)]
    WrongServer,
    /// No right to any collection asked for.
    #[n(9)]
    NotAllowed,
    /// A quota is used up.
    #[n(10)]
    Quota,
    /// Too many sessions at once; try later.
    #[n(11)]
    Busy,
    /// Nothing moved for too long.
    #[n(12)]
    Stalled,
    /// A fault on the refusing side; try later.
    #[n(13)]
    Internal,
    /// The hello's signature does not bind it to this connection.
    #[n(14)]
    NotBound,
    /// The refusing side is out of disk space.
    #[n(15)]
    Full,
    /// The same key has begun another session.
    #[n(16)]
    Replaced,
}

impl RefusalCode {
    /// All codes; the place is the number on the wire.
    pub const ALL: [Self; 17] = [
        Self::Malformed,
        Self::Version,
        Self::UnknownMember,
        Self::Revoked,
        Self::Expired,
        Self::TicketUnknown,
        Self::TicketExpired,
        Self::TicketUsed,
        Self::WrongServer,
        Self::NotAllowed,
        Self::Quota,
        Self::Busy,
        Self::Stalled,
        Self::Internal,
        Self::NotBound,
        Self::Full,
        Self::Replaced,
    ];

    /// Stable name for logs and `--json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Version => "version",
            Self::UnknownMember => "unknown_member",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::TicketUnknown => "ticket_unknown",
            Self::TicketExpired => "ticket_expired",
            Self::TicketUsed => "ticket_used",
            Self::WrongServer => "wrong_server",
            Self::NotAllowed => "not_allowed",
            Self::Quota => "quota",
            Self::Busy => "busy",
            Self::Stalled => "stalled",
            Self::Internal => "internal",
            Self::NotBound => "not_bound",
            Self::Full => "full",
            Self::Replaced => "replaced",
        }
    }

    /// True when trying again later cannot help.
    #[must_use]
    pub fn is_permanent(self) -> bool {
        !matches!(self, Self::Busy | Self::Stalled | Self::Internal | Self::Quota | Self::Full | Self::Replaced)
    }
}
