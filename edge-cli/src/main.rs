//! The `outlet` binary: hands arguments and the real environment to [`outlet_edge::run`].

use std::process::ExitCode;

/// A sync allocates and frees small things by the million.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut env = outlet_edge::OsEnv::new();
    outlet_edge::run(std::env::args_os().collect(), &mut env)
}
