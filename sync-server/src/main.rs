//! The `outlet-server` binary: hands over to [`outlet_server::run`].

fn main() -> std::process::ExitCode {
    outlet_server::run(std::env::args_os(), outlet_server::Env::of_process())
}
