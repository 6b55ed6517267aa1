use crate::users::UserRole;
use netraven_model::{JobKind, TagRuleId};
use serde::Serialize;
use serde_json::{Number, Value};
use uuid::Uuid;

/// More about an entry. A closed set of fields: a secret has no place in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Details {
    /// A user that was made or removed.
    User {
        /// What he may do.
        role: UserRole,
    },
    /// A user's new role.
    Role {
        /// Before.
        from: UserRole,
        /// Now.
        to: UserRole,
    },
    /// A user's new password.
    Password {
        /// Whether he has to choose another at his next login.
        must_change: bool,
    },
    /// What a credential holds.
    Credential {
        /// A password.
        has_password: bool,
        /// An enable secret.
        has_enable_secret: bool,
        /// A private key.
        has_private_key: bool,
    },
    /// What became different of a credential.
    CredentialChange {
        /// Whether it logs in with another user name, password or key.
        another_login: bool,
        /// Whether it may be shown to other networks than before.
        other_networks: bool,
    },
    /// Why a credential was suspended.
    Suspension {
        /// Devices that refused it without a success in between.
        refused_by: u32,
    },
    /// What went with a device.
    Device {
        /// Its public id.
        uuid: Uuid,
        /// Stored versions.
        versions: i64,
        /// Jobs.
        jobs: i64,
    },
    /// A device's host keys.
    HostKeys {
        /// How many were forgotten.
        forgotten: u64,
    },
    /// Host keys from a file.
    ImportedHostKeys {
        /// Devices that got keys.
        devices: usize,
        /// Keys that were stored.
        keys: usize,
    },
    /// A setting's values.
    Setting {
        /// Before.
        from: Option<Plain>,
        /// Now.
        to: Option<Plain>,
    },
    /// A tag rule.
    TagRule {
        /// Row.
        rule: TagRuleId,
        /// What it asks for.
        condition: String,
        /// Devices that got or lost the tag.
        devices: i64,
    },
    /// A schedule that was made or removed.
    Schedule {
        /// What its runs do.
        kind: JobKind,
        /// When they start: a cron expression, an interval or a time.
        when: String,
    },
    /// What became different of a schedule.
    ScheduleChange {
        /// Names of its columns.
        changed: Vec<&'static str>,
    },
    /// Which secrets were given out.
    Revealed {
        /// Number of the version.
        version: i64,
        /// Different values.
        secrets: usize,
        /// Where they went: the terminal, or a file.
        to: String,
    },
    /// Secrets that were encrypted anew.
    Rotated {
        /// With key.
        key: u32,
        /// How many.
        renewed: u64,
        /// How many could not be opened, and stay as they are.
        unopened: u64,
    },
    /// A dump.
    Dump {
        /// Its file.
        file: String,
        /// Its size.
        bytes: u64,
    },
}

/// A setting's value as far as it is remembered: texts and lists might hold what is nobody's business.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Plain {
    /// A number.
    Number(Number),
    /// A switch.
    Switch(bool),
    /// Something else.
    Other(NotShown),
}

/// Stands for a value that is not remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum NotShown {
    /// The only one.
    #[serde(rename = "(not kept)")]
    NotKept,
}

impl From<&Value> for Plain {
    fn from(value: &Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(number.clone()),
            Value::Bool(switch) => Self::Switch(*switch),
            _ => Self::Other(NotShown::NotKept),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn of_a_setting_numbers_and_switches_are_kept_and_nothing_else() {
        let kept = |value: Value| json!(Plain::from(&value));
        assert_eq!((kept(json!(5)), kept(json!(true))), (json!(5), json!(true)));
        for value in [json!("canary"), json!(["canary"]), json!({"canary": "canary"}), json!(null)] {
            assert_eq!(kept(value), json!("(not kept)"));
        }
    }
}
