//! The command line, in process: each test is a transcript of commands on a device with a fake
//! clock and fake randomness, compared word by word. Ids, hashes and paths are redacted.

mod add;
mod batch;
mod case;
mod device;
mod enroll;
mod files;
mod meta;
mod query;
mod record;
mod worklist;
