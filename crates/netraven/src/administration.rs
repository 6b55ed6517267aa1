//! An administrator's way into the database: for what no service may do.

use crate::context::Context;
use crate::database::{connect_settings, private_settings, release};
use crate::error::Result;
use crate::logins;
use netraven_store::ConnectSettings;
use netraven_store::access::Role;
use netraven_store::audit::Actor;
use netraven_store::private::PrivateCluster;
use netraven_store::setup::{self, SetupSettings};
use std::time::Duration;

/// An administrator's way into the database, for setting it up, migrating and restoring.
#[derive(Debug)]
pub struct Administration {
    /// How to set it up.
    pub settings: SetupSettings,
    private: Option<PrivateCluster>,
}

impl Administration {
    /// The settings' administrator, else the user of the database URL; the superuser of the private PostgreSQL.
    pub async fn open(context: &Context, new_passwords: bool, wait: Duration) -> Result<Self> {
        let database = &context.settings.database;
        match &database.url {
            Some(url) => {
                let admin_url = database.admin_url.as_ref().unwrap_or(url).expose();
                let admin = connect_settings(context, admin_url, None, Role::Owner);
                // The administrator's URL is a login: which database is meant, and for which server the passwords
                // are, says the URL that the services use.
                let services = ConnectSettings::new(url.expose());
                let settings = SetupSettings {
                    admin: ConnectSettings { database: Some(setup::database_name(&services)?), ..admin },
                    prefix: logins::prefix(context)?,
                    logins_file: logins::file(context),
                    server: Some(setup::server_label(&services)?),
                    new_passwords,
                    wait,
                    actor: Actor::shell(),
                };
                Ok(Self { settings, private: None })
            }
            None => {
                let private = PrivateCluster::acquire(&private_settings(context)).await?;
                match private_setup(context, &private) {
                    Ok(settings) => {
                        let settings = SetupSettings { new_passwords, wait, ..settings };
                        Ok(Self { settings, private: Some(private) })
                    }
                    Err(error) => {
                        release(private).await;
                        Err(error)
                    }
                }
            }
        }
    }

    /// Gives the private PostgreSQL back.
    pub async fn close(self) {
        if let Some(private) = self.private {
            release(private).await;
        }
    }
}

/// How the private PostgreSQL's database is set up.
pub fn private_setup(context: &Context, private: &PrivateCluster) -> Result<SetupSettings> {
    let admin = connect_settings(context, private.admin_url(), None, Role::Owner);
    Ok(SetupSettings {
        admin: ConnectSettings { database: Some(PRIVATE_DATABASE.to_owned()), ..admin },
        prefix: logins::prefix(context)?,
        logins_file: logins::file(context),
        server: Some(logins::PRIVATE.to_owned()),
        new_passwords: false,
        wait: Duration::ZERO,
        actor: Actor::shell(),
    })
}

/// NetRaven's database in the private PostgreSQL.
const PRIVATE_DATABASE: &str = "netraven";
