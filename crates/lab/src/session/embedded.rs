use super::load::Loader;
use super::{SessionError, SessionFile};

/// The files of one session, compiled in.
struct Folder {
    name: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

/// Those below `platforms/`; `build.rs` lists them.
static FOLDERS: &[Folder] = include!(concat!(env!("OUT_DIR"), "/sessions.rs"));

/// The shipped sessions, in the order of their platforms' folders.
pub fn embedded() -> Result<Vec<SessionFile>, SessionError> {
    FOLDERS.iter().map(load).collect()
}

/// Names of the platforms that have a shipped session, without repetition.
pub fn embedded_platforms() -> Vec<&'static str> {
    let mut names: Vec<_> = FOLDERS.iter().filter_map(|folder| folder.name.split('/').nth(1)).collect();
    names.dedup();
    names
}

fn load(folder: &Folder) -> Result<SessionFile, SessionError> {
    let read = |wanted: &str| {
        let found = folder.files.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, content)| content.to_vec()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    };
    Loader { folder: folder.name.to_string(), read: &read }.load()
}
