//! Secrets leave no copy behind in this process's memory, freed memory included.
#![allow(clippy::unwrap_used, clippy::panic)]

use netraven_model::{Capture, PartKind, Secret, Span};
use netraven_seal::{RawPart, decompress, mask};
use netraven_vault::{Place, Vault, reveal};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use uuid::Uuid;
use zeroize::Zeroizing;

const LENGTH: usize = 64;
/// What is searched for of a secret: an allocator writes over the beginning of what was freed.
const SEARCHED: Range<usize> = 24..56;
const CHUNK: usize = 1 << 20;

/// A secret that this process can make and recognise without keeping it in clear.
struct Needle([u8; LENGTH]);

const DISGUISE: u8 = 0xa5;

impl Needle {
    /// Another one for each number.
    fn new(number: u8) -> Self {
        Self(std::array::from_fn(|at| (at as u8).wrapping_mul(73) ^ number.wrapping_mul(151)))
    }

    fn of(clear: &[u8]) -> Self {
        Self(std::array::from_fn(|at| clear.get(at).copied().unwrap_or_default() ^ DISGUISE))
    }

    fn secret(&self) -> Secret {
        Secret::new(self.0.iter().map(|byte| byte ^ DISGUISE).collect())
    }

    fn is(&self, clear: &[u8]) -> bool {
        clear.len() == LENGTH && self.is_at(clear, 0..LENGTH)
    }

    fn is_at(&self, clear: &[u8], part: Range<usize>) -> bool {
        clear.iter().zip(&self.0[part]).all(|(clear, disguised)| clear ^ DISGUISE == *disguised)
    }

    /// How many copies of it there are in memory that this process may write to.
    fn copies(&self) -> usize {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mut memory = File::open("/proc/self/mem").unwrap();
        // What was read is not to be found again, neither now nor later.
        let mut chunk = Zeroizing::new(vec![0; CHUNK + LENGTH]);
        let own = chunk.as_ptr() as usize..chunk.as_ptr() as usize + chunk.len();
        let mut found = 0;
        for region in maps.lines().filter(|line| line.contains(" rw")).map(region) {
            for start in region.clone().step_by(CHUNK) {
                let length = (region.end - start).min(CHUNK + SEARCHED.len() - 1);
                let read = memory
                    .seek(SeekFrom::Start(start as u64))
                    .and_then(|_| memory.read_exact(&mut chunk[..length]));
                // A region may be gone meanwhile.
                if read.is_err() {
                    continue;
                }
                let first = self.0[SEARCHED.start] ^ DISGUISE;
                let candidates = chunk[..length].iter().enumerate().filter(|(_, byte)| **byte == first);
                let here = |at: usize| chunk[at..length].get(..SEARCHED.len());
                found += candidates
                    .filter(|(at, _)| here(*at).is_some_and(|bytes| self.is_at(bytes, SEARCHED)))
                    .filter(|(at, _)| !own.contains(&(start + at)))
                    .count();
            }
        }
        found
    }

    #[track_caller]
    fn is_gone(&self, after: &str) {
        assert_eq!(self.copies(), 0, "copies after {after}");
    }
}

fn region(line: &str) -> Range<usize> {
    let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
    let address = |text| usize::from_str_radix(text, 16).unwrap();
    address(start)..address(end)
}

/// A configuration in which the secret stands, without a copy besides.
fn part(needle: &Needle) -> RawPart {
    let mut text = Vec::with_capacity(1000);
    text.extend_from_slice(b"hostname r1\nkey ");
    text.extend(needle.0.iter().map(|byte| byte ^ DISGUISE));
    text.extend_from_slice(b"\nend\n");
    RawPart {
        name: "running-config".into(),
        context: None,
        command: "show running-config".into(),
        kind: PartKind::Config,
        capture: Capture::new(text),
        secrets: vec![Span { start: 16, end: 16 + LENGTH }],
        volatile: Vec::new(),
    }
}

fn the_search_finds_what_lives_and_what_was_only_freed() {
    let needle = Needle::new(1);
    needle.is_gone("nothing");
    let secret = needle.secret();
    assert_eq!(needle.copies(), 1);
    let careless = secret.expose_bytes().to_vec();
    assert_eq!(needle.copies(), 2);
    drop(std::hint::black_box(careless));
    assert_eq!(needle.copies(), 2, "what was freed is still there");
    drop(secret);
    assert_eq!(needle.copies(), 1, "only what is overwritten is gone");
}

fn credentials(vault: &Vault) {
    let needle = Needle::new(2);
    let place = Place { table: "credentials", column: "password", row: 7 };
    let sealed = vault.seal(&place, &needle.secret()).unwrap();
    needle.is_gone("sealing a credential");
    let opened = vault.unseal(&place, &sealed).unwrap();
    assert!(needle.is(opened.expose_bytes()));
    assert_eq!(needle.copies(), 1, "while it is used");
    drop(opened);
    needle.is_gone("opening a credential");
}

fn captures(vault: &Vault) {
    let (needle, device) = (Needle::new(3), Uuid::new_v4());
    let masked = mask(vec![part(&needle)], &vault.fingerprint_key(device)).unwrap();
    assert_eq!(needle.copies(), 1, "until it is sealed");
    let config = masked.seal(Some(&vault.sealing(device, true))).unwrap();
    needle.is_gone("sealing a capture");
    drop(mask(vec![part(&needle)], &vault.fingerprint_key(device)).unwrap());
    needle.is_gone("a capture that brings nothing new");

    let sealed = config.secrets().unwrap();
    let key = vault.open_capture(device, &sealed.key).unwrap();
    let value = &sealed.values[0];
    let opened = key.open(value.fingerprint, &value.ciphertext).unwrap();
    let stored = &config.parts()[0];
    let text = decompress(&stored.content, stored.size, stored.digest).unwrap();
    let revealed = reveal(&text, |_| Some(&opened)).unwrap();
    assert!(needle.is(&revealed.expose_bytes()[16..16 + LENGTH]));
    assert_eq!(needle.copies(), 2, "the value and the text");
    drop((opened, revealed));
    needle.is_gone("giving a configuration back");
}

fn keys_and_escrow(path: &std::path::Path) {
    let needle = {
        let text = Zeroizing::new(std::fs::read(path).unwrap());
        let key = text.windows(8).rposition(|bytes| bytes == b"\"key\": \"").unwrap() + 8;
        // Of the 44 characters so many as are searched for, and what is before them.
        Needle::of(&text[key - SEARCHED.start + 6..][..LENGTH])
    };
    needle.is_gone("reading the key file");
    let vault = Vault::open(path).unwrap();
    needle.is_gone("opening the keys, whose text is not kept");
    vault.add_key().unwrap();
    needle.is_gone("adding a key");
    let passphrase = Needle::new(5);
    let escrow = vault.escrow(None, &passphrase.secret()).unwrap();
    needle.is_gone("writing an escrow file");
    let held = vault.escrowed(&escrow, &passphrase.secret()).unwrap();
    assert_eq!(held, [1, 2]);
    needle.is_gone("reading an escrow file");
    passphrase.is_gone("using a passphrase");
    drop(Vault::generate(Some(&vault)).unwrap());
    needle.is_gone("writing the text of keys");
}

/// One test: another one in this process could free what it has at any moment.
#[test]
fn no_secret_is_left_in_memory_after_its_use() {
    the_search_finds_what_lives_and_what_was_only_freed();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let vault = Vault::open_or_create(&path).unwrap();
    credentials(&vault);
    captures(&vault);
    keys_and_escrow(&path);
}
