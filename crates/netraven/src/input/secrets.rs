//! Secrets from where nobody else reads them: a terminal without echo, standard input, a file.

use crate::error::{CliError, Result};
use netraven_device::{KeyProblem, check_private_key};
use netraven_model::Secret;

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::Path;

/// Longer than any password, long enough for the largest private key.
const LARGEST: u64 = 64 * 1024;

/// The first line of a file; `-` is not special.
pub fn from_file(path: &Path) -> Result<Secret> {
    one_line(&read_file(path)?, &path.display().to_string())
}

/// The first line of standard input.
pub fn from_stdin() -> Result<Secret> {
    let mut bytes = buffer();
    let read = std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes);
    let secret = Secret::new(bytes);
    read.map_err(|error| CliError::failed(format!("standard input cannot be read: {error}")))?;
    one_line(&secret, "standard input")
}

/// Asks on the terminal, without showing what is typed.
pub fn ask(prompt: &str, alternative: &str) -> Result<Secret> {
    if !std::io::stdin().is_terminal() {
        return Err(CliError::usage(format!("there is no terminal to ask for the {prompt}"))
            .hint(format!("use {alternative}")));
    }
    let text = rpassword::prompt_password(format!("{prompt}: "))
        .map_err(|error| CliError::failed(format!("the {prompt} cannot be read: {error}")))?;
    let secret = Secret::from(text);
    if secret.is_empty() {
        return Err(CliError::usage(format!("the {prompt} is empty")));
    }
    Ok(secret)
}

/// Asks twice for what is typed without being seen.
pub fn ask_twice(what: &str, alternative: &str) -> Result<Secret> {
    let first = ask(what, alternative)?;
    let second = ask(&format!("{what} again"), alternative)?;
    if first.expose_bytes() == second.expose_bytes() {
        Ok(first)
    } else {
        Err(CliError::usage(format!("the two entries of the {what} differ"))
            .hint("nothing was stored; try again"))
    }
}

/// A private key that can be read, with its passphrase if it has one.
pub fn private_key(path: &Path, passphrase: Option<&Secret>) -> Result<Secret> {
    let secret = read_file(path)?;
    let name = path.display();
    match check_private_key(&secret, passphrase) {
        Ok(()) => Ok(secret),
        Err(KeyProblem::Encrypted) => Err(CliError::usage(format!("{name} is encrypted"))
            .hint("give its passphrase with --key-passphrase-file, or answer --key-passphrase-prompt")),
        Err(KeyProblem::Passphrase) => {
            Err(CliError::usage(format!("{name} does not open with that passphrase, or it is damaged")))
        }
        Err(problem @ KeyProblem::Format) => {
            Err(CliError::usage(format!("{name} is not a private key: {problem}"))
                .hint("the public half (.pub) does not log in; give the file without that ending"))
        }
    }
}

/// Large enough from the start: growing would leave copies of the secret in memory.
fn buffer() -> Vec<u8> {
    Vec::with_capacity(LARGEST as usize + 32)
}

fn read_file(path: &Path) -> Result<Secret> {
    let unreadable = |error: std::io::Error| {
        CliError::usage(format!("{} cannot be read: {error}", path.display()))
            .hint("check that the file exists and that this user may read it")
    };
    let mut bytes = buffer();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    let secret = Secret::new(bytes);
    read.map_err(unreadable)?;
    if secret.expose_bytes().len() as u64 > LARGEST {
        let message =
            format!("{} is larger than {LARGEST} bytes, which no password or key is", path.display());
        return Err(CliError::usage(message));
    }
    Ok(secret)
}

/// One line without its line end: an editor adds one that is no part of the password.
fn one_line(secret: &Secret, source: &str) -> Result<Secret> {
    let wrong =
        |what: &str| CliError::usage(format!("expected a secret on one line in {source}, found {what}"));
    let bytes = secret.expose_bytes();
    if bytes.len() as u64 > LARGEST {
        return Err(wrong("more than 64 KiB"));
    }
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok("") => Err(wrong("nothing")),
        Ok(text) if text.contains(['\n', '\r', '\0']) => Err(wrong("several lines or a NUL character")),
        Ok(text) => Ok(text.into()),
        Err(_) => Err(wrong("bytes that are no UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russh::keys::key::safe_rng;
    use russh::keys::ssh_key::LineEnding;
    use russh::keys::{Algorithm, PrivateKey};

    fn file(content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("given");
        std::fs::write(&path, content).unwrap();
        (folder, path)
    }

    #[test]
    fn a_password_is_one_line_without_its_line_end() {
        for (content, expected) in
            [("canary\n", "canary"), ("canary\r\n", "canary"), (" can ary", " can ary")]
        {
            let (_folder, path) = file(content.as_bytes());
            assert_eq!(from_file(&path).unwrap().expose_text(), Some(expected));
        }
    }

    #[test]
    fn what_is_no_password_is_refused_by_the_name_of_the_file_alone() {
        for content in [&b""[..], b"\n", b"canary\ncanary\n", b"canary\xff", &[b'c'; 70_000]] {
            let (_folder, path) = file(content);
            let error = from_file(&path).unwrap_err().to_string();
            assert!(error.contains(path.to_str().unwrap()) && !error.contains("canary"), "{error}");
        }
        let missing = from_file(Path::new("/nowhere/password")).unwrap_err().to_string();
        assert!(missing.starts_with("error: /nowhere/password cannot be read: "), "{missing}");
    }

    #[test]
    fn private_keys_are_read_before_they_are_stored() {
        let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
        let plain = key.to_openssh(LineEnding::LF).unwrap();
        let (_folder, path) = file(plain.as_bytes());
        assert_eq!(private_key(&path, None).unwrap().expose_bytes(), plain.as_bytes());

        let locked = key.encrypt(&mut safe_rng(), "canary").unwrap().to_openssh(LineEnding::LF).unwrap();
        let (_folder, path) = file(locked.as_bytes());
        assert!(private_key(&path, None).unwrap_err().message.ends_with("is encrypted"));
        assert!(private_key(&path, Some(&"wrong".into())).unwrap_err().message.contains("passphrase"));
        assert!(private_key(&path, Some(&"canary".into())).is_ok());

        let public = key.public_key().to_openssh().unwrap();
        for content in [public.as_bytes(), b"", b"\xff\xfe", b"-----BEGIN OPENSSH PRIVATE KEY-----\ncanary\n"]
        {
            let (_folder, path) = file(content);
            let error = private_key(&path, None).unwrap_err().to_string();
            assert!(error.contains("is not a private key") && !error.contains("canary"), "{error}");
        }
    }
}
