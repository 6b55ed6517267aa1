//! `schema/access.txt`: which role may do what.

use super::{Class, Columns, Role};
use crate::StoreError;
use std::collections::BTreeSet;
use std::sync::LazyLock;

pub(crate) const TEXT: &str = include_str!("../../../../schema/access.txt");

static SHIPPED: LazyLock<Result<Matrix, String>> = LazyLock::new(|| {
    let columns = Columns::shipped().map_err(|error| error.to_string())?;
    Matrix::parse(TEXT, columns)
});

/// What may be done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Read rows, or a sequence's state.
    Select,
    /// Add rows.
    Insert,
    /// Change rows.
    Update,
    /// Remove rows.
    Delete,
    /// Take numbers from a sequence.
    Usage,
    /// Call a function.
    Execute,
}

impl Verb {
    /// The verbs of tables.
    pub const OF_TABLES: [Self; 4] = [Self::Select, Self::Insert, Self::Update, Self::Delete];

    /// As PostgreSQL's catalogue spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Usage => "USAGE",
            Self::Execute => "EXECUTE",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Select, Self::Insert, Self::Update, Self::Delete, Self::Usage, Self::Execute];
        all.into_iter().find(|verb| verb.as_str().eq_ignore_ascii_case(name))
    }
}

/// One right of one role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// Who.
    pub role: Role,
    /// On what: a table, a sequence, a function; `*` for all tables and sequences there are.
    pub object: String,
    /// On this column only; `None` for the whole object.
    pub column: Option<String>,
    /// What.
    pub verb: Verb,
}

impl Right {
    /// The same on the whole object.
    fn whole(self) -> Self {
        Self { column: None, ..self }
    }
}

/// All rights of all roles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix(BTreeSet<Right>);

impl Matrix {
    /// This release's.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] where the file is not what it should be, which a test excludes.
    pub fn shipped() -> Result<&'static Self, StoreError> {
        SHIPPED.as_ref().map_err(|reason| StoreError::invalid("schema/access.txt", reason))
    }

    /// The rights in order.
    pub fn rights(&self) -> impl Iterator<Item = &Right> {
        self.0.iter()
    }

    /// Whether a role may do something with a column of a table.
    pub fn allows(&self, role: Role, table: &str, column: &str, verb: Verb) -> bool {
        let whole = |object: &str| Right { role, object: object.to_owned(), column: None, verb };
        let single = Right { column: Some(column.to_owned()), ..whole(table) };
        self.0.contains(&whole("*")) || self.0.contains(&whole(table)) || self.0.contains(&single)
    }

    fn parse(text: &str, columns: &Columns) -> Result<Self, String> {
        let (mut rights, mut roles) = (BTreeSet::new(), Vec::new());
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            let wrong = |what: &str| format!("line {number}: {what}: '{line}'");
            if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                roles = match section {
                    "services" => Role::services().collect(),
                    name => vec![Role::from_name(name).ok_or_else(|| wrong("no such role"))?],
                };
                continue;
            }
            let Some((object, verbs)) = line.split_once(char::is_whitespace) else {
                if line.is_empty() {
                    continue;
                }
                return Err(wrong("expected an object and verbs"));
            };
            if roles.is_empty() {
                return Err(wrong("expected a [role] before it"));
            }
            for verb in split_outside_brackets(verbs) {
                let (name, within) = match verb.split_once('(') {
                    Some((name, rest)) => {
                        let list = rest.strip_suffix(')').ok_or_else(|| wrong("a bracket is open"))?;
                        (name, Some(list))
                    }
                    None => (verb, None),
                };
                let verb = Verb::from_name(name.trim()).ok_or_else(|| wrong("no such verb"))?;
                let objects: Vec<&str> = match (object, within) {
                    ("*", Some(_)) => columns.tables().collect(),
                    _ => vec![object],
                };
                for object in objects {
                    let names = within.map(|list| resolve(object, list, columns)).transpose();
                    let names = names.map_err(|what| wrong(&what))?;
                    for role in &roles {
                        let whole = Right { role: *role, object: object.to_owned(), column: None, verb };
                        match &names {
                            None => rights.extend([whole]),
                            Some(names) => rights.extend(
                                names
                                    .iter()
                                    .map(|name| Right { column: Some(name.clone()), ..whole.clone() }),
                            ),
                        }
                    }
                }
            }
        }
        // Who has a right on a table needs none on its columns.
        let single = rights.iter().filter(|right: &&Right| right.column.is_some()).cloned();
        let covered: Vec<Right> = single.filter(|right| rights.contains(&right.clone().whole())).collect();
        rights.retain(|right| !covered.contains(right));
        Ok(Self(rights))
    }
}

/// Parts at commas that stand outside brackets.
fn split_outside_brackets(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let outside = move |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        depth == 0 && c == ','
    };
    text.split(outside).map(str::trim)
}

/// The columns that a list in brackets names.
fn resolve(table: &str, list: &str, columns: &Columns) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for word in list.split(',').map(str::trim) {
        let known = columns.of(table);
        match word.strip_prefix('@') {
            Some(class) => {
                let class = Class::from_name(class).ok_or_else(|| format!("no class {word}"))?;
                names.extend(known.filter(|(_, of)| *of == class).map(|(name, _)| name.to_owned()));
            }
            None => {
                let mut known = known;
                known.find(|(name, _)| *name == word).ok_or_else(|| format!("no column {table}.{word}"))?;
                names.push(word.to_owned());
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_never_be_allowed_is_not() {
        let matrix = Matrix::shipped().unwrap();
        let columns = Columns::shipped().unwrap();
        let sealed: Vec<_> = columns
            .tables()
            .flat_map(|table| columns.of(table).map(move |(column, class)| (table, column, class)))
            .filter(|(.., class)| *class == Class::Sealed)
            .collect();
        assert!(!sealed.is_empty());
        for (table, column, _) in &sealed {
            for role in [Role::Gateway, Role::Joblog, Role::Api, Role::Readonly] {
                assert!(!matrix.allows(role, table, column, Verb::Select), "{role} reads {table}.{column}");
            }
        }
        for role in Role::services() {
            for verb in [Verb::Update, Verb::Delete] {
                assert!(!matrix.allows(role, "audit_log", "action", verb), "{role} changes the audit log");
            }
            let inserts = matrix.allows(role, "job_logs", "message", Verb::Insert);
            assert_eq!(inserts, role == Role::Joblog, "{role} and the job log");
            let writes = matrix.rights().any(|right| {
                right.role == role
                    && matches!(right.verb, Verb::Insert | Verb::Update | Verb::Delete | Verb::Usage)
            });
            assert_eq!(writes, !role.is_read_only(), "{role}");
        }
        assert!(
            !matrix
                .rights()
                .any(|right| right.role == Role::Gateway && right.object.starts_with("credential"))
        );
        let rotator: Vec<_> =
            matrix.rights().filter(|right| right.role == Role::Rotator && right.column.is_some()).collect();
        let tables = ["credentials", "devices", "notification_channels", "sealed_keys"];
        assert!(!rotator.is_empty() && rotator.iter().all(|right| tables.contains(&right.object.as_str())));
        for role in Role::services() {
            let reads = matrix.allows(role, "sealed_values", "ciphertext", Verb::Select);
            assert_eq!(
                reads,
                matches!(role, Role::Revealer | Role::Backup),
                "{role} and the values of secrets"
            );
        }
    }

    #[test]
    fn a_line_that_says_something_else_is_an_error() {
        let columns = Columns::shipped().unwrap();
        for wrong in [
            "devices select",
            "[nobody]",
            "[api]\ndevices",
            "[api]\ndevices fly",
            "[api]\ndevices select(wings)",
            "[api]\ndevices select(id",
            "[api]\ndevices select(@secret)",
        ] {
            assert!(Matrix::parse(wrong, columns).is_err(), "{wrong}");
        }
    }

    #[test]
    fn classes_and_stars_are_taken_apart() {
        let columns = Columns::shipped().unwrap();
        let matrix =
            Matrix::parse("[readonly]\n* select(@public)\n[api]\ntags select, delete # all\n", columns)
                .unwrap();
        assert!(matrix.allows(Role::Readonly, "devices", "hostname", Verb::Select));
        assert!(!matrix.allows(Role::Readonly, "devices", "session_token", Verb::Select));
        assert!(matrix.allows(Role::Api, "tags", "name", Verb::Delete));
        assert!(!matrix.allows(Role::Api, "tags", "name", Verb::Insert));
    }
}
