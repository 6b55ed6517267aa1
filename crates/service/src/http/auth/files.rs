//! Values that come from files and follow their changes while the service runs.

use std::convert::Infallible;
use std::fmt::Display;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio::time::{MissedTickBehavior, interval};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// What tells one state of a file from another. A file that replaces another one has another inode even where size and
/// time are the same.
type Seen = Vec<Option<(Option<SystemTime>, u64, u64, u32)>>;

/// A value and the files it came from.
pub(crate) struct Kept<T> {
    what: &'static str,
    files: Vec<PathBuf>,
    seen: Seen,
    load: Box<dyn Fn() -> Result<T, String> + Send + Sync>,
    current: RwLock<Arc<T>>,
}

impl<T> Kept<T> {
    /// Loads the value for the first time.
    pub(crate) fn load<E: Display>(
        what: &'static str,
        files: Vec<PathBuf>,
        load: impl Fn() -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<Self, E> {
        // Looked at before it is read, so that a change in between is not lost.
        let seen = look(&files);
        let current = RwLock::new(Arc::new(load()?));
        let load = Box::new(move || load().map_err(|error| error.to_string()));
        Ok(Self { what, files, seen, load, current })
    }

    /// The value in use now.
    pub(crate) fn current(&self) -> Arc<T> {
        // A single assignment leaves nothing half-done behind.
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Takes over changes of the files as long as it is polled. Files that cannot be used change nothing: the last good value
/// stays, and what is wrong is told once per change.
pub(crate) async fn keep_current<T>(kept: &Kept<T>) -> Infallible {
    let mut seen = kept.seen.clone();
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = look(&kept.files);
        if now == seen {
            continue;
        }
        seen = now;
        match (kept.load)() {
            Ok(value) => {
                *kept.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
                tracing::info!(what = kept.what, "changed files are in use");
            }
            Err(error) => tracing::warn!(what = kept.what, error, "the last good ones stay in use"),
        }
    }
}

fn look(files: &[PathBuf]) -> Seen {
    let look = |file: &PathBuf| {
        let found = std::fs::metadata(file).ok()?;
        Some((found.modified().ok(), found.len(), found.ino(), found.mode()))
    };
    files.iter().map(look).collect()
}
