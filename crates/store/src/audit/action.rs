use serde::{Serialize, Serializer};
use std::fmt;

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// What is remembered: the word before the point is the kind of thing that it was done to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action { $($(#[$doc])* $variant),+ }

        impl Action {
            /// All of them.
            pub const ALL: &'static [Action] = &[$(Self::$variant),+];

            /// The word in the database and for people, e.g. `user.added`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

actions! {
    /// A user was made.
    UserAdded = "user.added",
    /// A user was removed, with his tokens.
    UserRemoved = "user.removed",
    /// A user got another password.
    UserPasswordChanged = "user.password_changed",
    /// A user got another role.
    UserRoleChanged = "user.role_changed",
    /// A user may log in again.
    UserEnabled = "user.enabled",
    /// A user may no longer log in.
    UserDisabled = "user.disabled",
    /// A credential was stored.
    CredentialAdded = "credential.added",
    /// A credential was changed.
    CredentialChanged = "credential.changed",
    /// A credential was suspended, because too many devices refused it in a row.
    CredentialSuspended = "credential.suspended",
    /// A suspended credential is tried again.
    CredentialResumed = "credential.resumed",
    /// A credential was removed.
    CredentialRemoved = "credential.removed",
    /// A device was removed with its history.
    DeviceRemoved = "device.removed",
    /// A device's host keys were forgotten, so that its next one is accepted.
    DeviceHostKeyAccepted = "device.host_key_accepted",
    /// Host keys of devices that had none were taken from a file.
    DeviceHostKeysImported = "device.host_keys_imported",
    /// Schedules take a device again that failed too often.
    DeviceResumed = "device.resumed",
    /// The secrets of a configuration were given out.
    ConfigurationRevealed = "configuration.revealed",
    /// It was asked on which devices a secret stands.
    SecretLocated = "secret.located",
    /// Secrets were encrypted with the newest key.
    KeyRotated = "key.rotated",
    /// A key that nothing needed was taken away.
    KeyRemoved = "key.removed",
    /// The keys were copied into a file that a passphrase opens.
    KeyEscrowed = "key.escrowed",
    /// A setting in the database got a value.
    SettingChanged = "setting.changed",
    /// A setting in the database went.
    SettingRemoved = "setting.removed",
    /// A tag rule was made.
    TagRuleAdded = "tag_rule.added",
    /// A tag rule was removed.
    TagRuleRemoved = "tag_rule.removed",
    /// A schedule was made.
    ScheduleAdded = "schedule.added",
    /// A schedule was changed.
    ScheduleChanged = "schedule.changed",
    /// A schedule starts runs again.
    ScheduleEnabled = "schedule.enabled",
    /// A schedule starts no runs any more.
    ScheduleDisabled = "schedule.disabled",
    /// A schedule was removed.
    ScheduleRemoved = "schedule.removed",
    /// Somebody is told of changes from now on.
    NotificationAdded = "notification.added",
    /// Somebody is told no more.
    NotificationRemoved = "notification.removed",
    /// Somebody is told again.
    NotificationEnabled = "notification.enabled",
    /// Somebody is not told for the time being.
    NotificationDisabled = "notification.disabled",
    /// Webhooks are signed with another secret.
    NotificationSecretChanged = "notification.secret_changed",
    /// The database got its schema.
    DatabaseInitialized = "database.initialized",
    /// The database's schema was brought to another release's.
    DatabaseMigrated = "database.migrated",
    /// The database was dumped.
    DatabaseBackedUp = "database.backed_up",
    /// The database was filled from a dump.
    DatabaseRestored = "database.restored",
    /// The services' roles or their passwords were changed.
    DatabaseLoginsChanged = "database.logins_changed",
}

impl Action {
    /// The action of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.as_str() == name)
    }

    /// What kind of thing it is done to, e.g. `user`.
    pub fn target_kind(self) -> &'static str {
        self.as_str().split('.').next().unwrap_or_default()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_the_kind_of_a_thing_and_what_became_of_it() {
        for action in Action::ALL {
            let (kind, done) = action.as_str().split_once('.').unwrap();
            assert_eq!(action.target_kind(), kind);
            assert!(done.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{action}");
            assert_eq!(Action::from_name(action.as_str()), Some(*action));
        }
        assert_eq!(Action::from_name("user"), None);
    }
}
