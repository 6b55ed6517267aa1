//! Platform definitions that are changed while NetRaven runs.

use crate::context::Context;
use crate::error::Result;
use netraven_platform::{Platforms, Redactor};
use netraven_service::Definitions;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::{MissedTickBehavior, interval};

/// How often the folder is looked at.
const LOOK: Duration = Duration::from_secs(2);

/// What tells one state of the folder from another: each definition's time of change and size.
type Seen = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// A look at the settings' folder of definitions, to be taken before they are loaded: what changes in between is not lost.
#[derive(Debug)]
pub struct Watch {
    folder: Option<PathBuf>,
    seen: Seen,
    redactor: Arc<Redactor>,
}

impl Watch {
    /// Looks at the folder.
    ///
    /// # Errors
    /// The installation's redaction patterns cannot be used.
    pub fn begin(context: &Context) -> Result<Self> {
        let folder = context.settings.platforms.dir.clone();
        let redactor = context.redactor()?;
        Ok(Self { seen: folder.as_deref().map(look).unwrap_or_default(), folder, redactor })
    }
}

/// Takes over changed definitions from the watched folder as long as it is polled. A folder with a mistake in it changes
/// nothing: the last good definitions stay in use, and the mistake is told once.
pub async fn keep_current(watch: Watch, definitions: &Definitions) -> Infallible {
    let Watch { folder: Some(folder), mut seen, redactor } = watch else {
        return std::future::pending().await;
    };
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = look(&folder);
        if now == seen {
            continue;
        }
        seen = now;
        let (from, redactor) = (folder.clone(), redactor.clone());
        match tokio::task::spawn_blocking(move || Platforms::load_with(Some(&from), redactor)).await {
            Ok(Ok(platforms)) => {
                definitions.replace(Arc::new(platforms));
                tracing::info!(folder = %folder.display(), "changed platform definitions are in use");
            }
            Ok(Err(error)) => tracing::warn!(%error, "the last good platform definitions stay in use"),
            Err(error) => tracing::error!(%error, "loading platform definitions failed in disorder"),
        }
    }
}

/// A folder that cannot be read looks empty; loading it says why.
fn look(folder: &Path) -> Seen {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = entries.flat_map(|entry| [entry.path(), entry.path().join("platform.yaml")]);
    let known = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    known
        .filter_map(|path| {
            let found = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
            Some((path, (found.modified().ok(), found.len())))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_of_a_definition_is_seen_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let empty = look(folder.path());
        std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
        assert_eq!(look(folder.path()), empty);
        std::fs::write(folder.path().join("a.yaml"), "x").unwrap();
        let first = look(folder.path());
        assert_eq!(first.len(), 1);
        std::fs::write(folder.path().join("a.yaml"), "xy").unwrap();
        let second = look(folder.path());
        assert_ne!(first, second);
        std::fs::create_dir(folder.path().join("b")).unwrap();
        std::fs::write(folder.path().join("b/platform.yaml"), "x").unwrap();
        assert_eq!(look(folder.path()).len(), 2);
        std::fs::remove_file(folder.path().join("a.yaml")).unwrap();
        assert_eq!(look(folder.path()).len(), 1);
        assert!(look(Path::new("/nowhere")).is_empty());
    }
}
