//! Host keys from a `known_hosts` file, in the format of sshd(8), section "SSH_KNOWN_HOSTS FILE FORMAT".

use super::witness::host_key;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use netraven_model::HostKey;
use russh::keys::parse_public_key_base64;
use std::collections::HashMap;
use thiserror::Error;

/// Far more than the largest network has.
const MAX_ENTRIES: usize = 200_000;
/// An RSA key of 16384 bits has some 2800 characters; names come on top.
const MAX_LINE: usize = 16 * 1024;
/// Marks names that stand there hashed only.
const HASHED: &str = "|1|";

/// What a `known_hosts` file says.
#[derive(Debug, Default)]
pub struct KnownHosts {
    entries: Vec<Entry>,
    /// Entries with a name that stands there as it is, by that name: the common case costs no search.
    plain: HashMap<String, Vec<usize>>,
    /// Entries whose names must be tried one by one.
    others: Vec<usize>,
    skipped: Vec<SkippedLine>,
}

/// A line that is not used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {reason}")]
pub struct SkippedLine {
    /// Its number, from 1.
    pub line: usize,
    /// Why.
    pub reason: String,
}

/// The file holds more than any network has hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("at most {MAX_ENTRIES} entries were expected, the file has more")]
pub struct TooManyEntries;

#[derive(Debug)]
struct Entry {
    names: Names,
    key: HostKey,
    revoked: bool,
}

#[derive(Debug)]
enum Names {
    /// Names and patterns.
    Open(Vec<String>),
    /// HMAC-SHA1 of one name under a salt.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

impl KnownHosts {
    /// Reads a file's content. A line that cannot be used is skipped and told; a mistake in one does not cost the others.
    ///
    /// # Errors
    /// [`TooManyEntries`].
    pub fn parse(content: &[u8]) -> Result<Self, TooManyEntries> {
        let mut read = Self::default();
        for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
            match parse_line(line) {
                Ok(None) => {}
                Ok(Some(_)) if read.entries.len() >= MAX_ENTRIES => return Err(TooManyEntries),
                Ok(Some(entry)) => read.add(entry),
                Err(reason) if read.skipped.len() < MAX_ENTRIES => {
                    read.skipped.push(SkippedLine { line: index + 1, reason });
                }
                Err(_) => return Err(TooManyEntries),
            }
        }
        Ok(read)
    }

    fn add(&mut self, entry: Entry) {
        let index = self.entries.len();
        match &entry.names {
            Names::Open(names) if !names.iter().any(|name| is_pattern(name)) => {
                for name in names {
                    self.plain.entry(name.clone()).or_default().push(index);
                }
            }
            _ => self.others.push(index),
        }
        self.entries.push(entry);
    }

    /// The keys of a host, as the file has them in order, each once; keys that are revoked for the host are none of them.
    pub fn keys_of(&self, host: &str, port: u16) -> Vec<HostKey> {
        let name = name_of(host, port);
        let plain = self.plain.get(&name).into_iter().flatten().copied();
        let others = self.others.iter().copied().filter(|index| self.entries[*index].names.match_one(&name));
        let mut found: Vec<usize> = plain.chain(others).collect();
        found.sort_unstable();
        let entries: Vec<&Entry> = found.into_iter().map(|index| &self.entries[index]).collect();
        let revoked = |key: &HostKey| entries.iter().any(|entry| entry.revoked && entry.key == *key);
        let mut keys: Vec<HostKey> = Vec::new();
        for entry in &entries {
            if !revoked(&entry.key) && !keys.contains(&entry.key) {
                keys.push(entry.key.clone());
            }
        }
        keys
    }

    /// Number of lines that are used.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no line is used.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The lines that are not used.
    pub fn skipped(&self) -> &[SkippedLine] {
        &self.skipped
    }
}

/// As the file names a host: another port than SSH's stands with it.
fn name_of(host: &str, port: u16) -> String {
    let host = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    let host = host.to_ascii_lowercase();
    if port == 22 { host } else { format!("[{host}]:{port}") }
}

/// `None` for blank lines and comments.
fn parse_line(line: &[u8]) -> Result<Option<Entry>, String> {
    if line.len() > MAX_LINE {
        return Err(format!("at most {MAX_LINE} bytes were expected, it has {}", line.len()));
    }
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_ascii_whitespace();
    let Some(first) = words.next().filter(|word| !word.starts_with('#')) else { return Ok(None) };
    let (revoked, names) = match first {
        "@revoked" => (true, words.next()),
        "@cert-authority" => return Err("keys of certificate authorities are not supported".to_owned()),
        marker if marker.starts_with('@') => return Err("a marker that is not known".to_owned()),
        names => (false, Some(names)),
    };
    let (Some(names), Some(kind), Some(key)) = (names, words.next(), words.next()) else {
        return Err("names, a type of key and a key were expected".to_owned());
    };
    if kind.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("a key of SSH version 1".to_owned());
    }
    let key = parse_public_key_base64(key).map_err(|_| "the key cannot be read".to_owned())?;
    let key = host_key(&key);
    if key.algorithm != kind {
        return Err("the key is of another type than the line says".to_owned());
    }
    Ok(Some(Entry { names: parse_names(names)?, key, revoked }))
}

fn parse_names(names: &str) -> Result<Names, String> {
    let Some(hashed) = names.strip_prefix(HASHED) else {
        return Ok(Names::Open(names.split(',').map(str::to_ascii_lowercase).collect()));
    };
    let decoded = hashed.split_once('|').and_then(|(salt, hash)| {
        Some(Names::Hashed { salt: STANDARD.decode(salt).ok()?, hash: STANDARD.decode(hash).ok()? })
    });
    decoded.ok_or_else(|| "a hashed name that cannot be read".to_owned())
}

fn is_pattern(name: &str) -> bool {
    name.starts_with('!') || name.contains(['*', '?'])
}

impl Names {
    fn match_one(&self, name: &str) -> bool {
        match self {
            Self::Hashed { salt, hash } => {
                let salt = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
                hmac::verify(&salt, name.as_bytes(), hash).is_ok()
            }
            Self::Open(patterns) => {
                let excluded = patterns.iter().filter_map(|pattern| pattern.strip_prefix('!'));
                let mut included = patterns.iter().filter(|pattern| !pattern.starts_with('!'));
                !excluded.into_iter().any(|pattern| matches(pattern.as_bytes(), name.as_bytes()))
                    && included.any(|pattern| matches(pattern.as_bytes(), name.as_bytes()))
            }
        }
    }
}

/// `*` stands for any characters, `?` for one. Only the last `*` is ever gone back to, so that the cost is bounded by the
/// product of the lengths.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, n) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests;
