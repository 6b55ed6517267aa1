//! The demo's data directory: never one that holds something else.

use crate::context::Context;
use crate::error::{CliError, Result};
use std::path::Path;

/// Marks a data directory as the demo's.
const MARK: &str = "this-is-a-demo";

/// Sees that the data directory is the demo's own, or makes it so if it is new or empty.
pub fn claim(context: &Context) -> Result {
    if context.settings.database.url.is_some() {
        return Err(CliError::usage("the settings of the environment demo name a database (database.url)")
            .hint("the demo has a PostgreSQL of its own; leave the key out"));
    }
    claim_folder(&context.settings.data_dir)
}

fn claim_folder(folder: &Path) -> Result {
    let failed = |error: std::io::Error| {
        CliError::failed(format!("{} cannot be used for the demo: {error}", folder.display()))
            .hint("choose another folder with --data-dir")
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mark = folder.join(MARK);
    if mark.exists() {
        return Ok(());
    }
    if folder.read_dir().map_err(failed)?.next().is_some() {
        return Err(CliError::usage(format!("{} holds data that is not the demo's", folder.display()))
            .hint("choose an empty folder with --data-dir: nothing simulated may land in another database"));
    }
    std::fs::write(&mark, "NetRaven's demo keeps its data here. Remove the folder to start anew.\n")
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_new_an_empty_or_the_demos_own_folder_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("a/b");
        claim_folder(&new).unwrap();
        std::fs::write(new.join("something"), "").unwrap();
        claim_folder(&new).unwrap();

        let other = folder.path().join("other");
        std::fs::create_dir(&other).unwrap();
        std::fs::write(other.join("postgresql"), "").unwrap();
        let refused = claim_folder(&other).unwrap_err();
        assert!(refused.message.ends_with("holds data that is not the demo's"), "{refused}");
        assert!(!other.join(MARK).exists());

        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(claim_folder(&file).unwrap_err().message.contains("cannot be used for the demo"));
    }
}
