//! `netraven db validate`

use crate::context::Context;
use crate::database::Database;
use crate::error::{CliError, Exit, Result};
use netraven_store::validate::Report;
use serde_json::json;

pub const EXAMPLES: &str = "\
Examples:
  netraven db validate
  netraven db validate --json

Exit code 0: nothing is missing or different; what is there in addition is remarked. Else 4.";

/// Runs it.
pub async fn run(context: &Context) -> Result {
    let database = Database::connect(context).await?;
    let compared = database.validate().await;
    database.close().await;
    let report = compared?;
    context.output.show(
        || json!({"valid": report.is_valid(), "checked": report.checked, "errors": report.errors, "warnings": report.warnings}),
        || told(&report),
    )?;
    match report.is_valid() {
        true => Ok(()),
        false => {
            let count = report.errors.len();
            let found = if count == 1 { "1 difference".to_owned() } else { format!("{count} differences") };
            let error = CliError::failed(format!("{found} from the schema of this release"));
            Err(CliError { exit: Exit::Database, ..error }
                .hint("`netraven db init` mends roles and rights; for the rest undo the change, or restore a backup"))
        }
    }
}

fn told(report: &Report) -> String {
    let mut text = String::new();
    for error in &report.errors {
        text.push_str(&format!("{error}\n"));
    }
    for warning in &report.warnings {
        text.push_str(&format!("remark: {warning}\n"));
    }
    if report.is_valid() {
        text.push_str(&format!("{} objects and rights are as this release ships them", report.checked));
    }
    text.trim_end().to_owned()
}
