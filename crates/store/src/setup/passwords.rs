//! The passwords of the roles: those of the file, or new ones.

use super::{Progress, SetupError, SetupSettings, server};
use crate::access::{Logins, Role, RolePrefix};

/// The logins of the file, or new ones, and whether the roles that exist have to be told. New ones that take the place of
/// others are in the file only after [`replace`].
pub(super) fn choose(
    settings: &SetupSettings,
    existing: &[Role],
    progress: Progress<'_>,
) -> Result<(Logins, bool), SetupError> {
    let SetupSettings { logins_file: path, prefix, new_passwords, .. } = settings;
    let server = match &settings.server {
        Some(server) => server.clone(),
        None => server::label(&settings.admin)?,
    };
    // A file that holds something else, or another server's passwords, is not given up, whatever is asked for.
    if let Some(mut logins) = Logins::load(path)? {
        let (found, expected) = (logins.server(), &*server);
        if (found, logins.prefix()) != (expected, prefix) {
            let name = |server: &str, prefix: &RolePrefix| format!("'{}_*' on {server}", prefix.as_str());
            let (found, expected) = (name(found, logins.prefix()), name(expected, prefix));
            return Err(SetupError::OtherServer { path: path.clone(), found, expected });
        }
        if !new_passwords {
            // A role that is on the server and not in the file was withheld from this machine.
            let new = Role::services().filter(|role| !existing.contains(role));
            if logins.complete(new)? {
                replace(settings, &logins, progress)?;
            }
            return Ok((logins, false));
        }
    }
    if *new_passwords {
        return Ok((Logins::generate(server, prefix.clone())?, true));
    }
    let with_login: Vec<String> =
        existing.iter().filter(|role| **role != Role::Owner).map(|role| prefix.role_name(*role)).collect();
    if !with_login.is_empty() {
        return Err(SetupError::RolesWithoutPasswords { roles: with_login, path: path.clone() });
    }
    // Stored before the server hears of them: a crash in between loses nothing.
    let logins = Logins::generate(server, prefix.clone())?;
    if !logins.save(path, false)? {
        // Another process was faster.
        return choose(settings, existing, progress);
    }
    progress(&format!("passwords: made, in {}", path.display()));
    Ok((logins, false))
}

/// Puts new passwords in the place of the file's.
pub(super) fn replace(
    settings: &SetupSettings,
    logins: &Logins,
    progress: Progress<'_>,
) -> Result<(), SetupError> {
    logins.save(&settings.logins_file, true)?;
    progress(&format!("passwords: made, in {}", settings.logins_file.display()));
    Ok(())
}
