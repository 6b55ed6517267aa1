//! Where a credential's secrets are read from.

use crate::context::Context;
use crate::error::{CliError, Result};
use crate::input::{fields, secrets};
use crate::sealing::Secrets;
use std::path::PathBuf;

/// Options that say where secrets come from.
#[derive(Debug, clap::Args)]
pub struct Given {
    /// Reads the password from standard input
    #[arg(long, group = "password")]
    password_stdin: bool,
    /// Reads the password from a file
    #[arg(long, group = "password", value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Looks the password up each time: an alias of the configuration file (credentials.references)
    #[arg(long, group = "password", value_name = "ALIAS", value_parser = fields::line)]
    password_ref: Option<String>,
    /// Logs in with this private key: OpenSSH, PEM or PuTTY format
    #[arg(long, value_name = "FILE")]
    private_key_file: Option<PathBuf>,
    /// Reads the private key's passphrase from a file
    #[arg(long, group = "passphrase", requires = "private_key_file", value_name = "FILE")]
    key_passphrase_file: Option<PathBuf>,
    /// Asks for the private key's passphrase
    #[arg(long, group = "passphrase", requires = "private_key_file")]
    key_passphrase_prompt: bool,
    /// Reads the enable secret from a file
    #[arg(long, group = "enable", value_name = "FILE")]
    enable_file: Option<PathBuf>,
    /// Reads the enable secret from standard input
    #[arg(long, group = "enable", conflicts_with = "password_stdin")]
    enable_stdin: bool,
    /// Asks for the enable secret
    #[arg(long, group = "enable")]
    enable_prompt: bool,
}

impl Given {
    /// The alias, which the configuration file must know.
    pub fn alias(&self, context: &Context) -> Result<Option<String>> {
        let Some(alias) = &self.password_ref else { return Ok(None) };
        let known = context.settings.credentials.references.as_ref();
        match known.is_some_and(|known| known.contains_key(alias)) {
            true => Ok(Some(alias.clone())),
            false => Err(CliError::usage(format!("the configuration file declares no reference '{alias}'"))
                .hint("declare it below credentials.references; see docs/configuration.md")),
        }
    }

    /// Reads them; `ask`: whether a password is asked for where neither one nor a key is named.
    pub fn read(&self, ask: bool) -> Result<Secrets> {
        let key_passphrase = match &self.key_passphrase_file {
            Some(path) => Some(secrets::from_file(path)?),
            None if self.key_passphrase_prompt => {
                Some(secrets::ask("passphrase of the private key", "--key-passphrase-file FILE")?)
            }
            None => None,
        };
        let private_key = match &self.private_key_file {
            Some(path) => Some(secrets::private_key(path, key_passphrase.as_ref())?),
            None => None,
        };
        let password = match &self.password_file {
            Some(path) => Some(secrets::from_file(path)?),
            None if self.password_stdin => Some(secrets::from_stdin()?),
            None if private_key.is_some() || self.password_ref.is_some() || !ask => None,
            None => Some(secrets::ask_twice("password", "--password-stdin or --password-file FILE")?),
        };
        let enable = match &self.enable_file {
            Some(path) => Some(secrets::from_file(path)?),
            None if self.enable_stdin => Some(secrets::from_stdin()?),
            None if self.enable_prompt => {
                Some(secrets::ask_twice("enable secret", "--enable-stdin or --enable-file FILE")?)
            }
            None => None,
        };
        Ok(Secrets { password, enable, private_key, key_passphrase })
    }
}
