//! The `outlet` binary: hands arguments and the real environment to [`outlet_edge::run`].

use std::process::ExitCode;

/// A sync allocates and frees small things by the million.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The allocator asks for pages of 2 MiB, each of which counts whole as soon as one byte is used: a
    // third more memory, on a machine that has little. Where it cannot be turned off it stays.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let mut env = outlet_edge::OsEnv::new();
    outlet_edge::run(std::env::args_os().collect(), &mut env)
}
