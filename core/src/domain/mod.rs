//! The domain's vocabulary: what the plan, the law and field practice call things. Pure values; no
//! documents, no storage, no clock.

pub mod answer;
pub mod block;
pub mod case;
pub mod code;
pub mod dictionary;
pub mod field;
pub mod lint;
pub mod party;
pub mod permission;
pub mod reference;
pub mod region;
pub mod scale;
pub mod witness;

pub use answer::Answer;
