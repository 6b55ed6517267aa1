//! That redaction costs linear time on any input: `cargo bench -p netraven-platform --bench redactor`.
//!
//! Each row is one kind of text in three sizes; the same rate in each column is what linear means.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use netraven_platform::Platforms;
use std::time::{Duration, Instant};

const SIZES: [usize; 3] = [1 << 18, 1 << 20, 1 << 22];

/// What a device might send: pieces that are repeated up to the size.
const TEXTS: [(&str, &str); 8] = [
    (
        "configuration",
        "interface GigabitEthernet0/1\n description uplink to core\n ip address 10.0.0.1 255.255.255.0\n",
    ),
    ("each line a secret", "snmp-server community s3cret RO\n"),
    ("one line", "x"),
    ("one line of secrets", "password 7 0102AB $1$a$b "),
    ("begins of URLs", "://a:"),
    ("begins of keys", "-----BEGIN RSA PRIVATE KEY-----\n"),
    ("ends of keys", "-----END RSA PRIVATE KEY-----\n"),
    ("empty lines", "\n"),
];

fn main() {
    let platform = Platforms::shipped().unwrap().get("cisco_ios").unwrap();
    println!("MB/s of one core, the best of three passes; sizes in bytes {SIZES:?}");
    for (name, piece) in TEXTS {
        let rates = SIZES.map(|size| {
            let text: Vec<u8> = piece.bytes().cycle().take(size).collect();
            let best = (0..3).map(|_| time(|| platform.redact(&text).len())).min().unwrap_or_default();
            text.len() as f64 / 1e6 / best.as_secs_f64()
        });
        println!("{name:>20} | {:>7.1} | {:>7.1} | {:>7.1}", rates[0], rates[1], rates[2]);
    }
}

fn time(work: impl FnOnce() -> usize) -> Duration {
    let start = Instant::now();
    std::hint::black_box(work());
    start.elapsed()
}
