//! Copying everything from one running server to another with PostgreSQL's own programs.

use super::account::Account;
use super::binaries::Binaries;
use super::build::SUPERUSER;
use super::deadline::Deadline;
use super::error::PrivateError;
use super::secret::reveal;
use super::tool;
use super::verify;
use netraven_model::Secret;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

/// Limit for dumping and loading one database: far beyond what a sane one takes.
const DATABASE_LIMIT: Duration = Duration::from_secs(12 * 3600);
/// Limit for dumping and loading the roles.
const ROLES_LIMIT: Duration = Duration::from_secs(300);

/// How to reach a server as its superuser.
pub(super) struct Access<'a> {
    pub(super) socket_dir: &'a Path,
    pub(super) port: u16,
    pub(super) password: &'a Secret,
}

/// Copies roles and every database. The programs of the newer version do both sides, as
/// PostgreSQL's manual asks for.
pub(super) async fn everything(
    account: &Account,
    binaries: &Binaries,
    from: &Access<'_>,
    to: &Access<'_>,
    report: &impl Fn(&str),
) -> Result<(), PrivateError> {
    report("copying roles");
    let deadline = Deadline::after(ROLES_LIMIT);
    let mut dump = client(account, binaries, "pg_dumpall", from);
    dump.args(["--globals-only", "--database", SUPERUSER]);
    let globals = tool::run("dumping roles (pg_dumpall)", dump, b"", &deadline).await?;
    let mut load = client(account, binaries, "psql", to);
    load.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", SUPERUSER]);
    tool::run("loading roles (psql)", load, &without_superuser(&globals), &deadline).await?;
    for database in verify::databases(from).await? {
        report(&format!("copying database {database}"));
        let mut dump = client(account, binaries, "pg_dump", from);
        dump.args(["--format=custom", "--compress=0", "--dbname", &database]);
        let mut load = client(account, binaries, "pg_restore", to);
        load.args(["--exit-on-error", "--dbname", SUPERUSER]);
        if database != SUPERUSER {
            load.arg("--create");
        }
        pipe(dump, load, &Deadline::after(DATABASE_LIMIT)).await?;
    }
    Ok(())
}

/// A client program, with the password in its environment, which other users cannot read.
fn client(account: &Account, binaries: &Binaries, program: &str, access: &Access<'_>) -> Command {
    let mut command = account.command(&binaries.program(program));
    command.env("PGPASSWORD", reveal(access.password)).arg("-h").arg(access.socket_dir);
    command.args(["-p", &access.port.to_string(), "-U", SUPERUSER, "--no-password"]).current_dir("/");
    command
}

/// The dumped roles without the statement that creates the superuser, which every new cluster
/// already has. Its attributes and password follow in a statement that is kept.
fn without_superuser(globals: &[u8]) -> Vec<u8> {
    let create = format!("CREATE ROLE {SUPERUSER};\n");
    globals
        .split_inclusive(|&byte| byte == b'\n')
        .filter(|line| *line != create.as_bytes())
        .flatten()
        .copied()
        .collect()
}

/// Runs `dump | load` without a file between them.
async fn pipe(mut dump: Command, mut load: Command, deadline: &Deadline) -> Result<(), PrivateError> {
    let (reader, writer) =
        std::io::pipe().map_err(PrivateError::io("make a pipe for", Path::new("pg_dump")))?;
    let dumping = spawn(dump.stdin(Stdio::null()).stdout(writer))?;
    let loading = spawn(load.stdin(reader).stdout(Stdio::null()))?;
    // The commands keep our ends of the pipe; with those open, neither program would notice that
    // the other has ended.
    drop((dump, load));
    let both = async { tokio::join!(loading.wait_with_output(), dumping.wait_with_output()) };
    let (loaded, dumped) =
        deadline.bound(both).await.ok_or_else(|| tool::timed_out("dump and load", deadline))?;
    succeeded("loading the dump (pg_restore)", loaded)?;
    succeeded("dumping (pg_dump)", dumped)
}

fn spawn(command: &mut Command) -> Result<Child, PrivateError> {
    let program = command.as_std().get_program().to_owned();
    command
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(PrivateError::io("run", program.as_ref()))
}

fn succeeded(what: &'static str, outcome: std::io::Result<Output>) -> Result<(), PrivateError> {
    let output = outcome.map_err(PrivateError::io("wait for", Path::new(what)))?;
    if output.status.success() {
        return Ok(());
    }
    let (status, output) = (tool::describe(output.status), tool::tail(&output.stderr));
    Err(PrivateError::Tool { what, status, output })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn only_the_creation_of_the_superuser_is_left_out() {
        let globals = "CREATE ROLE netraven;\nCREATE ROLE postgres;\nALTER ROLE postgres WITH SUPERUSER;\n";
        let kept = String::from_utf8(without_superuser(globals.as_bytes())).unwrap();
        assert_eq!(kept, "CREATE ROLE netraven;\nALTER ROLE postgres WITH SUPERUSER;\n");
    }

    #[tokio::test]
    async fn a_failing_load_is_reported_and_does_not_leave_the_dump_waiting() {
        let deadline = Deadline::after(Duration::from_secs(60));
        let error = pipe(shell("yes"), shell("echo disk full >&2; exit 1"), &deadline).await.unwrap_err();
        assert!(error.to_string().contains("pg_restore) failed") && error.to_string().ends_with("disk full"));
    }

    #[tokio::test]
    async fn a_failing_dump_is_reported_even_if_the_load_is_content() {
        let deadline = Deadline::after(Duration::from_secs(60));
        let error = pipe(shell("echo gone >&2; exit 1"), shell("cat"), &deadline).await.unwrap_err();
        assert!(error.to_string().contains("pg_dump) failed"), "{error}");
    }
}
