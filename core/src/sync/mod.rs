//! One session brings two replicas together and proves it: sans-IO, so that a simulation can cut it
//! at any step and the shells stay small.

pub mod calls;
pub mod digest;
pub mod replica;
pub mod wire;
