//! Changes of users. There is always an active administrator: whoever might take the last one away locks all of
//! them first, in the order of their ids, so that two who take away one each wait for each other.

use super::{UserRole, check_hash};
use crate::audit::{self, Action, Actor, Details, Entry};
use crate::rows::word;
use crate::text::clean;
use crate::{Store, StoreError};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row};

/// The first administrator's name.
const FIRST_ADMIN: &str = "admin";

/// Gives a user another password by its Argon2id hash in PHC form, and forgets the wrong ones that were tried.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::Invalid`] for a hash that is none.
pub async fn set_password_hash(
    store: &Store,
    username: &str,
    hash: &str,
    must_change: bool,
) -> Result<(), StoreError> {
    const SET: &str = "UPDATE users SET password_hash = $2, must_change_password = $3, failed_logins = 0,
            locked_until = NULL, updated_at = now()
        WHERE id = $1";
    check_hash(hash)?;
    let failed = StoreError::query("set a user's password");
    let mut tx = store.begin("set a user's password").await?;
    let user = lock(&mut tx, username).await?;
    sqlx::query(SET).bind(user.id).bind(hash).bind(must_change).execute(&mut *tx).await.map_err(&failed)?;
    let entry = Entry::new(Action::UserPasswordChanged, username).with(Details::Password { must_change });
    audit::write(&mut tx, store.actor(), &entry).await?;
    tx.commit().await.map_err(&failed)
}

/// Lets a user log in, or no longer. Answers whether that is a change.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::LastAdmin`].
pub async fn set_active(store: &Store, username: &str, active: bool) -> Result<bool, StoreError> {
    const SET: &str = "UPDATE users SET is_active = $2, updated_at = now() WHERE id = $1";
    let failed = StoreError::query("enable or disable a user");
    let mut tx = store.begin("enable or disable a user").await?;
    let user = lock(&mut tx, username).await?;
    if user.is_active == active {
        return Ok(false);
    }
    if !active {
        keep_an_admin(&mut tx, &user, username).await?;
    }
    sqlx::query(SET).bind(user.id).bind(active).execute(&mut *tx).await.map_err(&failed)?;
    let action = if active { Action::UserEnabled } else { Action::UserDisabled };
    audit::write(&mut tx, store.actor(), &Entry::new(action, username)).await?;
    tx.commit().await.map_err(&failed)?;
    Ok(true)
}

/// Gives a user another role. Answers whether that is a change.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::LastAdmin`].
pub async fn set_role(store: &Store, username: &str, role: UserRole) -> Result<bool, StoreError> {
    const SET: &str = "UPDATE users SET role = $2, updated_at = now() WHERE id = $1";
    let failed = StoreError::query("change a user's role");
    let mut tx = store.begin("change a user's role").await?;
    let user = lock(&mut tx, username).await?;
    if user.role == role {
        return Ok(false);
    }
    keep_an_admin(&mut tx, &user, username).await?;
    sqlx::query(SET).bind(user.id).bind(role.as_str()).execute(&mut *tx).await.map_err(&failed)?;
    let details = Details::Role { from: user.role, to: role };
    audit::write(&mut tx, store.actor(), &Entry::new(Action::UserRoleChanged, username).with(details))
        .await?;
    tx.commit().await.map_err(&failed)?;
    Ok(true)
}

/// Removes a user with his tokens. What he did stays in the audit trail.
///
/// # Errors
/// [`StoreError::NotFound`], [`StoreError::LastAdmin`].
pub async fn remove(store: &Store, username: &str) -> Result<(), StoreError> {
    let failed = StoreError::query("remove a user");
    let mut tx = store.begin("remove a user").await?;
    let user = lock(&mut tx, username).await?;
    keep_an_admin(&mut tx, &user, username).await?;
    sqlx::query("DELETE FROM users WHERE id = $1").bind(user.id).execute(&mut *tx).await.map_err(&failed)?;
    let entry = Entry::new(Action::UserRemoved, username).with(Details::User { role: user.role });
    audit::write(&mut tx, store.actor(), &entry).await?;
    tx.commit().await.map_err(&failed)
}

/// Makes the administrator `admin`, who has to choose another password at his first login, where there is no user
/// at all. Answers whether he was made: two at once make one.
///
/// # Errors
/// [`StoreError::Invalid`] for a hash that is none.
pub async fn ensure_first_admin(store: &Store, password_hash: Option<&str>) -> Result<bool, StoreError> {
    let mut tx = store.begin("make the first administrator").await?;
    let made = ensure_first_admin_in(&mut tx, store.actor(), password_hash).await?;
    tx.commit().await.map_err(StoreError::query("make the first administrator"))?;
    Ok(made)
}

/// As [`ensure_first_admin`], in the caller's transaction.
pub(crate) async fn ensure_first_admin_in(
    tx: &mut PgConnection,
    actor: &Actor,
    password_hash: Option<&str>,
) -> Result<bool, StoreError> {
    const ENSURE: &str = "INSERT INTO users (username, role, password_hash, must_change_password)
        SELECT $1, $2, $3, true WHERE NOT EXISTS (SELECT FROM users)
        ON CONFLICT (username) DO NOTHING";
    password_hash.map_or(Ok(()), check_hash)?;
    let role = UserRole::Admin;
    let made = sqlx::query(ENSURE)
        .bind(FIRST_ADMIN)
        .bind(role.as_str())
        .bind(password_hash)
        .execute(&mut *tx)
        .await
        .map_err(StoreError::query("make the first administrator"))?;
    if made.rows_affected() == 0 {
        return Ok(false);
    }
    let entry = Entry::new(Action::UserAdded, FIRST_ADMIN).with(Details::User { role });
    audit::write(tx, actor, &entry).await?;
    Ok(true)
}

struct Locked {
    id: i64,
    role: UserRole,
    is_active: bool,
}

/// The user and all active administrators, locked until the transaction ends.
async fn lock(tx: &mut PgConnection, username: &str) -> Result<Locked, StoreError> {
    const LOCK: &str = "SELECT id FROM users WHERE username = $1 OR role = 'admin' AND is_active
        ORDER BY id FOR NO KEY UPDATE";
    const READ: &str = "SELECT id, role, is_active FROM users WHERE username = $1";
    let failed = StoreError::query("look up a user");
    let name = clean(username);
    sqlx::query(LOCK).bind(&name).execute(&mut *tx).await.map_err(&failed)?;
    // A statement of its own: it sees what those who held the locks before have left.
    let user: Option<Locked> = sqlx::query_as(READ).bind(&name).fetch_optional(tx).await.map_err(&failed)?;
    user.ok_or_else(|| StoreError::not_found("user", username))
}

/// Refuses where no active administrator would be left without this one.
async fn keep_an_admin(tx: &mut PgConnection, user: &Locked, username: &str) -> Result<(), StoreError> {
    const OTHERS: &str = "SELECT EXISTS (SELECT FROM users WHERE role = 'admin' AND is_active AND id <> $1)";
    if user.role != UserRole::Admin || !user.is_active {
        return Ok(());
    }
    let others: bool = sqlx::query_scalar(OTHERS)
        .bind(user.id)
        .fetch_one(tx)
        .await
        .map_err(StoreError::query("look for other administrators"))?;
    if others { Ok(()) } else { Err(StoreError::LastAdmin { name: username.to_owned() }) }
}

impl FromRow<'_, PgRow> for Locked {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            role: word(row, "role", UserRole::from_name)?,
            is_active: row.try_get("is_active")?,
        })
    }
}
