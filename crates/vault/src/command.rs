//! Secrets that a program writes to its standard output.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use thiserror::Error;
use zeroize::Zeroizing;

/// How often a program that wrote everything is asked whether it has ended.
const POLL: Duration = Duration::from_millis(5);

/// Why a program brought nothing. What it wrote is never quoted.
#[derive(Debug, Error)]
pub enum CommandError {
    /// There is no program in it.
    #[error("expected a program and its arguments, found nothing")]
    Empty,
    /// It cannot be started.
    #[error("{0} cannot be started: {1}")]
    Start(String, std::io::Error),
    /// It took too long and was ended.
    #[error("{0} did not end within {1:?}")]
    Timeout(String, Duration),
    /// It wrote too much and was ended.
    #[error("{0} wrote more than {1} bytes")]
    TooMuch(String, usize),
    /// It said that it failed.
    #[error("{0} ended with {1}, expected exit status 0")]
    Failed(String, std::process::ExitStatus),
    /// Reading from it failed.
    #[error("reading from {0} failed: {1}")]
    Read(String, std::io::Error),
}

/// What a program writes to its standard output, without a shell in between; its standard error goes where NetRaven's goes.
///
/// # Errors
/// See [`CommandError`]; the program is ended in every case.
pub fn output(argv: &[String], timeout: Duration, limit: usize) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let (program, arguments) = argv.split_first().ok_or(CommandError::Empty)?;
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| CommandError::Start(program.clone(), error))?;
    let mut running = Running(child);
    let until = Instant::now() + timeout;
    let (sender, receiver) = mpsc::channel();
    let stdout = running.0.stdout.take();
    let reader = move || {
        let mut bytes = Zeroizing::new(Vec::with_capacity(limit.min(1 << 16)));
        let read = stdout.map_or(Ok(0), |out| out.take(limit as u64 + 1).read_to_end(&mut bytes));
        // The other side has given up where this fails.
        sender.send(read.map(|_| bytes)).ok();
    };
    std::thread::spawn(reader);
    let timed_out = || CommandError::Timeout(program.clone(), timeout);
    let bytes = receiver
        .recv_timeout(timeout)
        .map_err(|_| timed_out())?
        .map_err(|error| CommandError::Read(program.clone(), error))?;
    if bytes.len() > limit {
        return Err(CommandError::TooMuch(program.clone(), limit));
    }
    let status = loop {
        match running.0.try_wait().map_err(|error| CommandError::Read(program.clone(), error))? {
            Some(status) => break status,
            None if Instant::now() >= until => return Err(timed_out()),
            None => std::thread::sleep(POLL),
        }
    };
    if status.success() { Ok(bytes) } else { Err(CommandError::Failed(program.clone(), status)) }
}

/// A program that does not outlive this value, nor does what it started.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only for one that has ended.
        if let Ok(group) = i32::try_from(self.0.id()) {
            killpg(Pid::from_raw(group), Signal::SIGKILL).ok();
        }
        self.0.wait().ok();
    }
}
