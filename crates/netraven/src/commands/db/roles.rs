//! `netraven db roles`

use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Exit, Result};
use crate::output::table::{Column, render};
use netraven_store::access::Role;
use serde_json::json;

pub const EXAMPLES: &str = "\
Examples:
  netraven db roles
  netraven db roles --json

A service on another machine needs the file with the passwords, or a URL with its role's login.";

/// Runs it.
pub async fn run(context: &Context) -> Result {
    let database = Database::connect(context).await?;
    let mut rows = Vec::new();
    for role in Role::services() {
        let name = database.role_name(role);
        let login = match database.store_as(context, role).await {
            Ok(store) => {
                store.close().await;
                Ok(())
            }
            Err(error) => Err(error.to_string()),
        };
        rows.push((role, name, login));
    }
    let (file, has_own) = (database.logins_file().to_owned(), database.has_logins());
    database.close().await;
    let state = |login: &Result<(), String>| if login.is_ok() { "logs in" } else { "cannot log in" };
    context.output.show(
        || {
            let roles = rows.iter().map(|(role, name, login)| {
                json!({
                    "role": role, "name": name, "purpose": role.purpose(), "state": state(login),
                    "problem": login.as_ref().err(),
                })
            });
            json!({"logins_file": file, "own_logins": has_own, "roles": roles.collect::<Vec<_>>()})
        },
        || {
            let columns =
                [Column::Left("ROLE"), Column::Left("LOGS IN AS"), Column::Left("STATE"), Column::Left("WHAT FOR")];
            let lines = rows.iter().map(|(role, name, login)| {
                vec![role.to_string(), name.clone(), state(login).to_owned(), role.purpose().to_owned()]
            });
            let table = render(&columns, lines, context.output.width);
            let file = file.display();
            match has_own {
                true => format!("{table}\npasswords: {file}"),
                false => format!(
                    "{table}\nAll services use the user of database.url: there is no {file}. `netraven db init` gives each its own."
                ),
            }
        },
    )?;
    let refused = rows.iter().find_map(|(_, name, login)| Some((name, login.as_ref().err()?)));
    match refused {
        None => Ok(()),
        Some((name, problem)) => {
            let error = CliError::failed(format!("role '{name}' cannot log in: {problem}"));
            Err(CliError { exit: Exit::Database, ..error }.hint(
                "`netraven db init` finds out why; `netraven db init --new-passwords` sets new passwords",
            ))
        }
    }
}
