//! `netraven completions`

use crate::cli::Cli;
use crate::error::Result;
use crate::output::Output;
use clap::CommandFactory;
use clap_complete::Shell;

const EXAMPLES: &str = "\
Examples:
  netraven completions bash > ~/.local/share/bash-completion/completions/netraven
  netraven completions zsh > ~/.zfunc/_netraven
  netraven completions fish > ~/.config/fish/completions/netraven.fish";

/// What it is told.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args) -> Result {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "netraven", &mut script);
    Output::of_process(false).bytes(&script)
}
