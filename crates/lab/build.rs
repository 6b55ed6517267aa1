//! Lists the shipped sessions with their files, so that a new one needs no line of Rust.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let platforms =
        Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("../../platforms");
    println!("cargo::rerun-if-changed={}", platforms.display());
    let mut list = String::from("&[\n");
    for platform in sorted(&platforms)? {
        let sessions = platform.join("sessions");
        if !sessions.is_dir() {
            continue;
        }
        for session in sorted(&sessions)? {
            println!("cargo::rerun-if-changed={}", session.display());
            if !session.join("session.yaml").is_file() {
                continue;
            }
            let folder = format!("platforms/{}/sessions/{}", name(&platform), name(&session));
            // Writing to a String cannot fail.
            let _ = writeln!(list, "    Folder {{ name: {folder:?}, files: &[");
            for file in sorted(&session)?.into_iter().filter(|file| file.is_file()) {
                let _ = writeln!(
                    list,
                    "        ({:?}, include_bytes!({:?})),",
                    name(&file),
                    file.canonicalize()?
                );
            }
            list.push_str("    ] },\n");
        }
    }
    list.push_str("]\n");
    fs::write(Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("sessions.rs"), list)
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}
