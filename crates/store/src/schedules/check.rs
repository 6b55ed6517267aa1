//! What is refused when a schedule is saved.

use super::Plan;
use crate::jobs::{check_target, count_target};
use crate::{StoreError, text};
use chrono::{DateTime, Utc};
use netraven_model::JobKind;
use sqlx::PgConnection;

/// A name is for people: longer ones are a mistake.
const LONGEST_NAME: usize = 200;

/// More commands, or longer ones, than that are refused.
const MOST_COMMANDS: usize = 100;
const LONGEST_COMMAND: usize = 1_000;

/// Whether runs can come of it, apart from when.
pub(super) fn words(plan: &Plan) -> Result<(), StoreError> {
    let length = plan.name.chars().count();
    if plan.name.trim().is_empty() || length > LONGEST_NAME || plan.name.contains(char::is_control) {
        let reason =
            format!("it needs a name of 1 to {LONGEST_NAME} characters on one line to be spoken of by");
        return Err(wrong(reason));
    }
    if plan.description.as_deref().is_some_and(|text| text.contains('\0')) {
        return Err(wrong("its description must not contain NUL"));
    }
    commands(plan)
}

fn commands(plan: &Plan) -> Result<(), StoreError> {
    match (plan.kind, plan.commands.len()) {
        (JobKind::Command, 0) => {
            return Err(wrong("commands: expected one at least for runs of the kind 'command'"));
        }
        (JobKind::Command, count) if count > MOST_COMMANDS => {
            return Err(wrong(format!("commands: expected {MOST_COMMANDS} at most, found {count}")));
        }
        (JobKind::Command, _) | (_, 0) => {}
        (kind, _) => {
            let kind = kind.as_str();
            return Err(wrong(format!(
                "commands: runs of the kind '{kind}' ask none; expected the kind 'command'"
            )));
        }
    }
    let fits = |command: &String| {
        !command.trim().is_empty() && command.len() <= LONGEST_COMMAND && !command.contains(char::is_control)
    };
    match plan.commands.iter().position(|command| !fits(command)) {
        // Not quoted: a command may hold a secret.
        Some(place) => Err(wrong(format!(
            "commands: number {} is empty, longer than {LONGEST_COMMAND} bytes or not on one line",
            place + 1
        ))),
        None => Ok(()),
    }
}

/// Whether runs will come of its calendar.
pub(super) fn calendar(plan: &Plan, now: DateTime<Utc>) -> Result<(), StoreError> {
    if i32::try_from(plan.jitter.as_secs()).is_err() {
        return Err(wrong(format!(
            "jitter: expected less than the time between two runs, found {:?}",
            plan.jitter
        )));
    }
    plan.calendar.check(now, plan.jitter).map_err(|error| wrong(error.to_string()))
}

/// Whether it takes a device at the moment.
///
/// # Errors
/// [`StoreError::NotFound`] for a tag, site or device that does not exist.
pub(super) async fn target(tx: &mut PgConnection, plan: &Plan) -> Result<(), StoreError> {
    check_target(tx, &plan.target).await?;
    match count_target(tx, &plan.target).await? {
        0 => {
            Err(wrong("its target takes no device at the moment; expected one at least that is not disabled"))
        }
        _ => Ok(()),
    }
}

pub(super) fn wrong(reason: impl Into<String>) -> StoreError {
    StoreError::invalid("the schedule", text::clean(&reason.into()).into_owned())
}
