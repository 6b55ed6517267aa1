//! CPU of each stage that a configuration passes through behind the session: `cargo bench --bench stages`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use netraven_lab::{Personality, embedded};
use netraven_model::{Capture, PartKind, Span};
use netraven_platform::{Platform, Platforms, Terminal};
use netraven_seal::{FingerprintKey, RawPart, SealedValue, Sealing, mask};
use netraven_vault::Vault;
use std::time::{Duration, Instant};
use uuid::Uuid;

const SIZE: usize = 1 << 20;
/// Thirty secrets in 64 KiB, as `secrets_of_a_capture` has them.
const SECRET_EVERY: usize = (64 << 10) / 30;

/// Two configurations of `SIZE` bytes.
struct Texts {
    /// A line with a secret for every `SECRET_EVERY` bytes.
    usual: Vec<u8>,
    /// The longest answer of the family's own session, again and again: what it was written to show, a secret in every few lines.
    dense: Vec<u8>,
}

fn main() {
    let platforms = Platforms::shipped().unwrap();
    println!("MB/s of one core over {SIZE} bytes, the best of several passes");
    println!("{:>20} | terminal | secrets | (dense) | volatile |    mask |    seal", "platform");
    for session in embedded().unwrap() {
        let platform = platforms.get(session.platform()).unwrap();
        let Texts { usual: text, dense } = texts_of(&session, &platform);
        let wire: Vec<u8> =
            text.iter().flat_map(|&b| if b == b'\n' { vec![b'\r', b'\n'] } else { vec![b] }).collect();
        let terminal = best(|| {
            let mut terminal = Terminal::default();
            wire.chunks(32_000).for_each(|piece| terminal.feed(piece));
            terminal.text().len()
        });
        let secrets = best(|| platform.find_secrets(&text).len());
        let secrets_dense = best(|| platform.find_secrets(&dense).len());
        let volatile = best(|| platform.find_volatile(&text).len());
        let key = FingerprintKey::from_bytes([1; 32]);
        let raw = || RawPart {
            name: "running-config".into(),
            context: None,
            command: "show running-config".into(),
            kind: PartKind::Config,
            secrets: platform.find_secrets(&text),
            volatile: platform.find_volatile(&text),
            capture: Capture::new(text.clone()),
        };
        let masked = best_of(raw, |part| mask(vec![part], &key).unwrap().size() as usize);
        let sealed = best_of(
            || mask(vec![raw()], &key).unwrap(),
            |masked| masked.seal(None).unwrap().readable().len(),
        );
        let rate = |time: Duration| text.len() as f64 / 1e6 / time.as_secs_f64();
        let rate_dense = dense.len() as f64 / 1e6 / secrets_dense.as_secs_f64();
        println!(
            "{:>20} | {:>8.0} | {:>7.0} | {:>7.0} | {:>8.0} | {:>7.0} | {:>7.0}",
            session.platform(),
            rate(terminal),
            rate(secrets),
            rate_dense,
            rate(volatile),
            rate(masked),
            rate(sealed)
        );
    }
    secrets_of_a_capture();
}

/// What it costs to keep the values of secrets, next to taking them out.
fn secrets_of_a_capture() {
    const LENGTH: usize = 64 << 10;
    const SECRETS: usize = 30;
    let mut text = Vec::with_capacity(LENGTH + 100);
    let mut spans = Vec::new();
    while text.len() < LENGTH {
        if text.len() >= spans.len() * LENGTH / SECRETS && spans.len() < SECRETS {
            text.extend_from_slice(b"snmp-server community ");
            let start = text.len();
            text.extend_from_slice(format!("community-number-{}", spans.len()).as_bytes());
            spans.push(Span { start, end: text.len() });
            text.push(b'\n');
        }
        text.extend_from_slice(format!("interface Vlan{}\n no ip address\n", text.len()).as_bytes());
    }
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open_or_create(&folder.path().join("master.key")).unwrap();
    let (device, key) = (Uuid::nil(), vault.fingerprint_key(Uuid::nil()));
    let raw = || RawPart {
        name: "running-config".into(),
        context: None,
        command: "show running-config".into(),
        kind: PartKind::Config,
        secrets: spans.clone(),
        volatile: Vec::new(),
        capture: Capture::new(text.clone()),
    };
    let masked = || mask(vec![raw()], &key).unwrap();
    let (alone, site) = (vault.sealing(device, false), vault.sealing(device, true));
    let seal = |sealing: Option<&Sealing>| {
        best_of(masked, |masked| masked.seal(sealing).unwrap().secrets().map_or(0, |kept| kept.values.len()))
    };
    let sealed = masked().seal(Some(&alone)).unwrap();
    let kept = sealed.secrets().unwrap();
    let opened = best(|| {
        let data_key = vault.open_capture(device, &kept.key).unwrap();
        let open = |value: &SealedValue| data_key.open(value.fingerprint, &value.ciphertext).unwrap();
        kept.values.iter().map(|value| open(value).expose_bytes().len()).sum()
    });
    println!(
        "\nmicroseconds for a capture of {LENGTH} bytes with {SECRETS} secrets, the best of several passes"
    );
    for (what, time) in [
        ("mask", best_of(raw, |part| mask(vec![part], &key).unwrap().size() as usize)),
        ("compress", seal(None)),
        ("compress and seal", seal(Some(&alone))),
        ("with site fingerprints", seal(Some(&site))),
        ("open all values", opened),
    ] {
        println!("{what:>24} | {:>7.0}", time.as_secs_f64() * 1e6);
    }
}

/// What the device's own configuration command would print, as `Texts`.
fn texts_of(session: &netraven_lab::SessionFile, platform: &Platform) -> Texts {
    let personality = Personality::new(session, 1, 0);
    let answer = session.longest_answer(&personality, personality.initial_state());
    let known: Vec<&str> = answer.lines().collect();
    let is_secret = |line: &&&str| !platform.find_secrets(line.as_bytes()).is_empty();
    let (secret, plain): (Vec<&str>, Vec<&str>) = known.iter().partition(is_secret);
    let filler = String::from_utf8_lossy(&session.filler(SIZE, 1)).into_owned();
    // Of a family without filler the plain lines of its session, again and again.
    let plain: Vec<&str> = if filler.is_empty() { plain } else { filler.lines().collect() };
    let mut usual = String::with_capacity(SIZE + 1000);
    let (mut plain, mut secrets) = (plain.into_iter().cycle(), secret.iter().cycle());
    let mut inserted = 0;
    while usual.len() < SIZE {
        if usual.len() >= inserted * SECRET_EVERY {
            inserted += 1;
            secrets.next().into_iter().for_each(|line| add(&mut usual, line));
        }
        add(&mut usual, plain.next().unwrap_or("!"));
    }
    let mut dense = String::with_capacity(SIZE + 1000);
    let mut every = known.iter().cycle();
    while dense.len() < SIZE {
        add(&mut dense, every.next().unwrap_or(&"!"));
    }
    Texts { usual: usual.into_bytes(), dense: dense.into_bytes() }
}

fn add(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn best(mut work: impl FnMut() -> usize) -> Duration {
    best_of(|| (), |()| work())
}

/// The quickest of several passes: noise only ever adds.
fn best_of<T>(mut prepare: impl FnMut() -> T, mut work: impl FnMut(T) -> usize) -> Duration {
    let pass = |_| {
        let input = prepare();
        let start = Instant::now();
        std::hint::black_box(work(input));
        start.elapsed()
    };
    (0..20).map(pass).min().unwrap_or_default()
}
