//! Parts that are files of the device: what is fetched, and what that means for the part.

use crate::Part;
use crate::text::as_lines;
use netraven_model::{Capture, ErrorCode, Failure, PartKind, Phase};
use serde::Deserialize;
use std::fmt;
use std::time::{Duration, Instant};

/// How a file is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileProtocol {
    /// The SSH File Transfer Protocol, version 3.
    Sftp,
    /// The program `scp` on the device, which sends (`scp -f`).
    Scp,
}

impl FileProtocol {
    /// Its name, as in definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sftp => "sftp",
            Self::Scp => "scp",
        }
    }
}

/// A file of the device that is a part of the backup.
#[derive(Clone, Debug)]
pub(crate) struct RemoteFile {
    pub path: String,
    /// What to try, in order; never empty.
    pub over: Vec<FileProtocol>,
    /// Commands that remove it; the first one that the device takes counts.
    pub cleanup: Vec<String>,
}

impl RemoteFile {
    /// What stands in the place of a command.
    pub(crate) fn label(&self) -> String {
        format!("file {}", self.path)
    }
}

/// A file to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRequest {
    /// Its path on the device.
    pub path: String,
    /// What to try, in order.
    pub over: Vec<FileProtocol>,
    /// The longest silence.
    pub silence: Duration,
    /// When it has to be there.
    pub until: Instant,
    /// The largest size in bytes.
    pub most: usize,
}

/// What came of fetching a file.
pub enum Fetched {
    /// All of it.
    Content(Capture),
    /// The device does not give it: a line for each protocol, with words of the device that nobody has redacted.
    Refused(String),
    /// The device opens no further channel while a shell is open.
    NoChannel(Failure),
    /// Anything else.
    Failed(Failure),
}

/// The words of a device may hold secrets.
impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(content) => write!(f, "Content({content:?})"),
            Self::Refused(_) => f.write_str("Refused"),
            Self::NoChannel(failure) => write!(f, "NoChannel({failure})"),
            Self::Failed(failure) => write!(f, "Failed({failure})"),
        }
    }
}

/// What a session says that cannot fetch files, of a part that is one.
pub(crate) fn unsupported(label: &str) -> Failure {
    let message = format!("`{label}` was expected, but files are fetched over SSH only");
    Failure::new(ErrorCode::Unsupported, Phase::Collect, message)
}

/// The content as it belongs into the part: of an archive each byte, of a text its lines.
///
/// # Errors
/// A text without its end.
pub(crate) fn judge(part: &Part, content: Capture) -> Result<Capture, Failure> {
    if part.kind == PartKind::Binary {
        return Ok(content);
    }
    let mut lines = as_lines(content.expose_bytes());
    let missing = match part.check_complete(&lines) {
        _ if part.kind == PartKind::Config && lines.is_empty() => "the configuration is empty".to_owned(),
        Ok(()) => return Ok(Capture::new(std::mem::take(&mut *lines))),
        Err(missing) => missing,
    };
    let message =
        format!("the file of part '{}' has no end: {missing}; {} bytes came", part.name, content.len());
    Err(Failure::new(ErrorCode::Truncated, Phase::Collect, message))
}
