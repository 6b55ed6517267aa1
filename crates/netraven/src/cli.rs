//! The command line: what can be said, with examples. What each command does stands in `commands`.

use crate::commands::Command;
use crate::settings::Overrides;
use clap::{Args, Parser};
use std::path::PathBuf;

/// Exit codes, shown below the help of the program.
const AFTER_HELP: &str = "\
Examples:
  netraven demo                                  see what it does, with 25 simulated devices
  netraven up                                    run it: database, worker
  netraven device add r1 --address 192.0.2.1 --platform cisco_ios
  netraven credential add ops --username backup  asks for the password
  netraven backup --all
  netraven config diff r1

Exit codes:
  0    it worked
  1    it failed
  2    the command line or another input cannot be used
  3    something named on the command line does not exist
  4    the database does not answer or is not ready
  5    the backup ran, and some devices failed
  130  interrupted

Where the settings come from: `netraven config-file check`.";

/// Backs up, versions and compares the configurations of network devices.
#[derive(Debug, Parser)]
#[command(name = "netraven", version, after_help = AFTER_HELP, propagate_version = false, max_term_width = 110)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// JSON instead of tables; field names do not change between releases
    #[arg(long, global = true)]
    pub json: bool,
    /// Environment: which settings file is read [default: NETRAVEN_ENV, else prod]
    #[arg(long = "env", global = true, value_name = "NAME")]
    pub environment: Option<String>,
    /// Folder with the settings files of the environments
    #[arg(long, global = true, value_name = "FOLDER")]
    pub config_dir: Option<PathBuf>,
    /// Folder of the private PostgreSQL and the keys
    #[arg(long, global = true, value_name = "FOLDER")]
    pub data_dir: Option<String>,
    /// error, warn, info, debug or trace
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// text or json
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Any setting by its key; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
}

impl Global {
    /// What of it concerns the settings.
    pub fn overrides(&self) -> Overrides {
        let mut values: Vec<_> =
            self.set.iter().map(|(key, value)| (key.clone(), value.clone(), "--set")).collect();
        let named = [
            ("data_dir", &self.data_dir, "--data-dir"),
            ("logging.level", &self.log_level, "--log-level"),
            ("logging.format", &self.log_format, "--log-format"),
        ];
        values.extend(named.into_iter().filter_map(|(key, value, option)| {
            value.as_ref().map(|value| (key.to_owned(), value.clone(), option))
        }));
        Overrides { environment: self.environment.clone(), config_dir: self.config_dir.clone(), values }
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, for example retry.attempts=5".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// Calls `check` for each command without sub-commands, with the words that call it.
    fn walk(command: &clap::Command, words: &str, check: &mut impl FnMut(&clap::Command, &str)) {
        if !command.has_subcommands() {
            check(command, words);
        }
        for below in command.get_subcommands() {
            walk(below, &format!("{words} {}", below.get_name()), check);
        }
    }

    /// The words of an example: single quotes keep blanks together, three blanks begin its explanation, and a pipe or
    /// a redirection is the shell's.
    fn shell_words(line: &str) -> Vec<String> {
        let (mut words, mut quoted) = (vec![String::new()], false);
        for c in line.split("   ").next().unwrap().chars() {
            match c {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                c => words.last_mut().unwrap().push(c),
            }
        }
        words.into_iter().take_while(|word| !["|", ">", "<"].contains(&word.as_str())).collect()
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does_and_shows_an_example_that_can_be_parsed() {
        let mut seen = 0;
        walk(&Cli::command(), "netraven", &mut |command, words| {
            seen += 1;
            assert!(command.get_about().is_some(), "{words} says nothing");
            let help = command.get_after_help().map(|help| help.to_string()).unwrap_or_default();
            let (_, examples) =
                help.split_once("Examples:\n").unwrap_or_else(|| panic!("{words}: no examples"));
            let longest = help.lines().map(|line| line.chars().count()).max();
            assert!(
                longest <= Some(98),
                "{words}: a line of the help is wrapped where it is wide: {longest:?}"
            );
            assert!(examples.contains(words), "{words}: {examples}");
            for line in examples.lines().filter(|line| line.trim_start().starts_with(words)) {
                let parsed = Cli::try_parse_from(shell_words(line.trim()));
                assert!(
                    parsed.is_ok(),
                    "{line}: {}",
                    parsed.err().map(|e| e.to_string()).unwrap_or_default()
                );
            }
        });
        assert!(seen > 30, "{seen}");
    }

    #[test]
    fn options_of_the_settings_keep_the_name_of_the_option() {
        let cli = Cli::try_parse_from([
            "netraven",
            "--set",
            "retry.attempts=5",
            "config-file",
            "check",
            "--data-dir",
            "/x",
            "--env",
            "dev",
        ])
        .unwrap();
        let overrides = cli.global.overrides();
        assert_eq!(overrides.environment.as_deref(), Some("dev"));
        let expected =
            [("retry.attempts".into(), "5".into(), "--set"), ("data_dir".into(), "/x".into(), "--data-dir")];
        assert_eq!(overrides.values, expected);
        assert!(Cli::try_parse_from(["netraven", "--set", "x", "config-file", "check"]).is_err());
    }
}
