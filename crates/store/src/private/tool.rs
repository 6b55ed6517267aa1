//! Running PostgreSQL's programs to their end, with a deadline.

use super::deadline::Deadline;
use super::error::PrivateError;
use std::process::{ExitStatus, Stdio};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// How much of a failed program's output goes into the error.
const OUTPUT_SHOWN: usize = 2000;

/// Runs the program, feeds it `input`, and gives its standard output. A failure carries the end of
/// what it wrote; when the deadline passes the program is killed.
pub(super) async fn run(
    what: &'static str,
    mut command: Command,
    input: &[u8],
    deadline: &Deadline,
) -> Result<Vec<u8>, PrivateError> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let program = command.as_std().get_program().to_owned();
    let mut child = command.spawn().map_err(PrivateError::io("run", program.as_ref()))?;
    let stdin = child.stdin.take();
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A program that stops reading early says why by its exit status.
            let _ = stdin.write_all(input).await;
        }
    };
    let finished = deadline.bound(async { tokio::join!(feed, child.wait_with_output()).1 }).await;
    let output = finished
        .ok_or_else(|| timed_out(what, deadline))?
        .map_err(PrivateError::io("run", program.as_ref()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let text = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
    Err(PrivateError::Tool { what, status: describe(output.status), output: tail(text) })
}

/// The error for a step that overran its deadline.
pub(super) fn timed_out(what: &'static str, deadline: &Deadline) -> PrivateError {
    let hint = "a slow disk may need a longer time limit in the settings".to_owned();
    PrivateError::Timeout { what, limit: deadline.limit(), hint }
}

/// An exit status in words.
pub(super) fn describe(status: ExitStatus) -> String {
    status.to_string()
}

/// The end of a program's output, cut at a line where possible.
pub(super) fn tail(output: &[u8]) -> String {
    let start = output.len().saturating_sub(OUTPUT_SHOWN);
    let text = String::from_utf8_lossy(&output[start..]);
    let cut = match text.split_once('\n') {
        Some((_, rest)) if start > 0 => rest,
        _ => &text,
    };
    cut.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[tokio::test]
    async fn input_reaches_the_program_and_its_output_comes_back() {
        let deadline = Deadline::after(Duration::from_secs(20));
        assert_eq!(run("cat", Command::new("cat"), b"hello", &deadline).await.unwrap(), b"hello");
    }

    #[tokio::test]
    async fn a_failure_carries_the_status_and_what_was_written() {
        let deadline = Deadline::after(Duration::from_secs(20));
        let error =
            run("the step", shell("echo no space left >&2; exit 3"), b"", &deadline).await.unwrap_err();
        assert_eq!(error.to_string(), "the step failed (exit status: 3): no space left");
    }

    #[tokio::test]
    async fn a_program_that_never_ends_is_given_up() {
        let deadline = Deadline::after(Duration::from_millis(50));
        let error = run("the step", shell("exec sleep 1000"), b"", &deadline).await.unwrap_err();
        assert!(matches!(error, PrivateError::Timeout { what: "the step", .. }), "{error}");
    }

    #[test]
    fn long_output_is_cut_at_a_line() {
        let output = "a line of output\n".repeat(500);
        let shown = tail(output.as_bytes());
        assert!(shown.len() <= OUTPUT_SHOWN && shown.starts_with("a line") && shown.ends_with("output"));
    }
}
