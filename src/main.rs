use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    dialplane::cli::main()
}
