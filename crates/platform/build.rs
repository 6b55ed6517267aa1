//! Lists the shipped definitions, so that a new platform needs no line of Rust.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder =
        Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("../../platforms");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if let (true, Some(name)) =
            (path.join("platform.yaml").is_file(), path.file_name().and_then(|n| n.to_str()))
        {
            names.push((name.to_owned(), path.join("platform.yaml")));
        }
    }
    names.sort();
    let mut list = String::from("&[\n");
    for (name, path) in names {
        println!("cargo::rerun-if-changed={}", path.display());
        // Writing to a String cannot fail.
        let _ = writeln!(list, "    ({name:?}, include_str!({:?})),", path.canonicalize()?);
    }
    list.push_str("]\n");
    fs::write(Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("shipped.rs"), list)
}
