//! The `billtag` command: parse, call, print the error with its hint, exit.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    ExitCode::from(billtag::cli::execute(&billtag::cli::Cli::parse()))
}
