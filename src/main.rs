use std::process::ExitCode;

fn main() -> ExitCode {
    dialplane::cli::main()
}
