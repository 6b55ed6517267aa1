//! The file with the logins of the database roles on this machine.

use crate::context::Context;
use crate::error::Result;
use netraven_store::ConnectSettings;
use netraven_store::access::{Logins, RolePrefix};
use netraven_store::setup;
use std::path::PathBuf;

/// What the file of the private PostgreSQL says where others name their server.
pub const PRIVATE: &str = "private";

/// Where it is. The private PostgreSQL and a server of one's own do not share a file.
pub fn file(context: &Context) -> PathBuf {
    let database = &context.settings.database;
    database.logins_file.clone().unwrap_or_else(|| {
        let name = if database.url.is_some() { "database.json" } else { "database-private.json" };
        context.settings.data_dir.join("keys").join(name)
    })
}

/// What the names of the roles begin with.
pub fn prefix(context: &Context) -> Result<RolePrefix> {
    Ok(RolePrefix::new(&context.settings.database.role_prefix)?)
}

/// The logins for the server of this URL; `None` where this machine has none for it.
pub fn load(context: &Context, url: &str) -> Result<Option<Logins>> {
    let Some(logins) = Logins::load(&file(context))? else { return Ok(None) };
    let server = setup::server_label(&ConnectSettings::new(url))?;
    Ok((logins.server() == server).then_some(logins))
}

/// What to do where the user of the URL is not let in and this machine has no logins for its server.
pub fn missing(context: &Context, url: &str) -> Result<String> {
    let (file, server) = (file(context), setup::server_label(&ConnectSettings::new(url))?);
    Ok(format!(
        "{} has no logins for {server}: make them with `netraven db init`, or copy the file from the machine where that \
         ran; or put the right user and password into the database URL",
        file.display()
    ))
}
