//! The `outlet-server` binary: hands over to [`outlet_server::run`].

/// Admission and projection allocate and free small things by the million.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    outlet_server::run(std::env::args_os(), outlet_server::Env::of_process())
}
