//! What the end-to-end tests, the demo and the benchmarks share: the two binaries as processes, a
//! bad link, and generated inventories.

pub mod authority;
pub mod bare;
pub mod browser;
pub mod device;
pub mod ether;
pub mod figures;
pub mod generator;
mod nat;
pub mod pair;
pub mod process;
pub mod relay;
pub mod scenario;
pub mod story;
pub mod workload;
