//! NetRaven: one binary for everything.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod administration;
mod api;
mod changes;
mod cli;
mod commands;
mod context;
mod database;
mod db_backup;
mod definitions;
mod error;
mod follow;
mod guard;
mod input;
mod log_service;
mod logins;
mod nearest;
mod notifier;
mod output;
mod results;
mod reveal;
mod rotation;
mod sealing;
mod settings;
mod signals;
mod target;
mod work;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    guard::set_up();
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !error.message.is_empty() {
                output::note(&error.to_string());
            }
            ExitCode::from(error.exit as u8)
        }
    }
}
