//! The `outlet` binary: hands arguments and the real environment to [`outlet_edge::run`].

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut env = outlet_edge::OsEnv::new();
    outlet_edge::run(std::env::args_os().collect(), &mut env)
}
