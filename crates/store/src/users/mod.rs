//! The people who use NetRaven. Their passwords are hashes made elsewhere and never leave the database by a list.

mod change;
mod role;

pub(crate) use change::ensure_first_admin_in;
pub use change::{ensure_first_admin, remove, set_active, set_password_hash, set_role};
pub use role::UserRole;

use crate::audit::{self, Action, Details, Entry};
use crate::rows::word;
use crate::text::{clean, clean_option};
use crate::{Store, StoreError};
use chrono::{DateTime, Utc};
use netraven_model::UserId;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use std::fmt;

/// Longest name of a user, in characters.
pub const MAX_USERNAME: usize = 64;

/// A user to enter.
#[derive(Clone)]
pub struct NewUser {
    /// Unique name: 1 to [`MAX_USERNAME`] of `a`-`z`, `0`-`9`, `.`, `_`, `-`.
    pub username: String,
    /// For people.
    pub full_name: Option<String>,
    /// For people.
    pub email: Option<String>,
    /// What he may do.
    pub role: UserRole,
    /// Argon2id hash of his password in PHC form; `None`: nobody can log in as this user.
    pub password_hash: Option<String>,
    /// Whether he has to choose another password at his first login.
    pub must_change_password: bool,
}

/// A user, without his password's hash.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct User {
    /// Row.
    pub id: UserId,
    /// Unique name.
    pub username: String,
    /// For people.
    pub full_name: Option<String>,
    /// For people.
    pub email: Option<String>,
    /// What he may do.
    pub role: UserRole,
    /// Whether he has a password.
    pub has_password: bool,
    /// Whether he has to choose another at his next login.
    pub must_change_password: bool,
    /// Whether he may log in.
    pub is_active: bool,
    /// Until when he may not, after too many wrong passwords.
    pub locked_until: Option<DateTime<Utc>>,
    /// When he did last.
    pub last_login: Option<DateTime<Utc>>,
    /// When he was entered.
    pub created_at: DateTime<Utc>,
    /// When he was changed last.
    pub updated_at: DateTime<Utc>,
}

/// Enters a user.
///
/// # Errors
/// [`StoreError::Duplicate`] for a name that is taken, [`StoreError::Invalid`] for one that is none or
/// for a hash that is none.
pub async fn add(store: &Store, new: NewUser) -> Result<User, StoreError> {
    const ADD: &str =
        "INSERT INTO users (username, full_name, email, role, password_hash, must_change_password)
        VALUES ($1, $2, $3, $4, $5, $6)";
    check_username(&new.username)?;
    new.password_hash.as_deref().map_or(Ok(()), check_hash)?;
    let mut tx = store.begin("add a user").await?;
    sqlx::query(ADD)
        .bind(&new.username)
        .bind(clean_option(&new.full_name))
        .bind(clean_option(&new.email))
        .bind(new.role.as_str())
        .bind(&new.password_hash)
        .bind(new.must_change_password)
        .execute(&mut *tx)
        .await
        .map_err(StoreError::unless_taken("add a user", "user", &new.username))?;
    let entry = Entry::new(Action::UserAdded, &new.username).with(Details::User { role: new.role });
    audit::write(&mut tx, store.actor(), &entry).await?;
    tx.commit().await.map_err(StoreError::query("add a user"))?;
    get(store, &new.username).await
}

/// One user by his name.
///
/// # Errors
/// [`StoreError::NotFound`].
pub async fn get(store: &Store, username: &str) -> Result<User, StoreError> {
    const GET: &str = concat!(user_select!(), " WHERE username = $1");
    sqlx::query_as(GET)
        .bind(clean(username))
        .fetch_optional(store.reader())
        .await
        .map_err(StoreError::query("look up a user"))?
        .ok_or_else(|| StoreError::not_found("user", username))
}

/// All users by name.
pub async fn list(store: &Store) -> Result<Vec<User>, StoreError> {
    const LIST: &str = concat!(user_select!(), " ORDER BY username");
    sqlx::query_as(LIST).fetch_all(store.reader()).await.map_err(StoreError::query("list users"))
}

/// Whether a text can be a user's name.
///
/// # Errors
/// [`StoreError::Invalid`], which says what was expected.
pub fn check_username(name: &str) -> Result<(), StoreError> {
    let fits = (1..=MAX_USERNAME).contains(&name.len())
        && name.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
    if fits {
        return Ok(());
    }
    Err(StoreError::invalid(
        "the user name",
        format!(
            "expected 1 to {MAX_USERNAME} lower case letters a-z, digits, '.', '_' or '-', found {name:?}"
        ),
    ))
}

/// Takes a hash and nothing else, above all no password.
fn check_hash(text: &str) -> Result<(), StoreError> {
    let fields: Vec<&str> = text.split('$').collect();
    let well_formed = text.len() <= 512
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && matches!(fields[..], ["", "argon2id", _, _, salt, hash] if !salt.is_empty() && !hash.is_empty());
    if well_formed {
        return Ok(());
    }
    Err(StoreError::invalid("the password's hash", "expected a PHC string that begins with $argon2id$"))
}

macro_rules! user_select {
    () => {
        "SELECT id, username, full_name, email, role, password_hash IS NOT NULL AS has_password,
            must_change_password, is_active, locked_until, last_login, created_at, updated_at
        FROM users"
    };
}
use user_select;

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewUser('{}', {})", self.username, self.role)
    }
}

impl FromRow<'_, PgRow> for User {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: UserId(row.try_get("id")?),
            username: row.try_get("username")?,
            full_name: row.try_get("full_name")?,
            email: row.try_get("email")?,
            role: word(row, "role", UserRole::from_name)?,
            has_password: row.try_get("has_password")?,
            must_change_password: row.try_get("must_change_password")?,
            is_active: row.try_get("is_active")?,
            locked_until: row.try_get("locked_until")?,
            last_login: row.try_get("last_login")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}
