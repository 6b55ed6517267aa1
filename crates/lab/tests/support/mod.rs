//! What the tests of the lab share.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use chrono::{DateTime, Utc};
use netraven_lab::{Emulator, ManualClock, Personality, SessionFile, embedded};
use std::sync::{Arc, LazyLock};

/// The sessions of a lab that is not told which ones it shall have, loaded once. What all the others must keep to
/// is checked together with their platforms' definitions.
pub fn shipped() -> &'static [Arc<SessionFile>] {
    static SHIPPED: LazyLock<Vec<Arc<SessionFile>>> = LazyLock::new(|| {
        embedded().unwrap().into_iter().filter(SessionFile::is_in_fleet).map(Arc::new).collect()
    });
    &SHIPPED
}

/// The shipped session whose folder's hardware contains `hardware`.
pub fn session(hardware: &str) -> Arc<SessionFile> {
    shipped().iter().find(|session| session.hardware().contains(hardware)).expect("a shipped session").clone()
}

/// 2026-03-01 12:00 UTC.
pub fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// A login on device 3 of the lab 1.
pub fn login(session: &Arc<SessionFile>) -> Emulator {
    let personality = Personality::new(session, 1, 3);
    Emulator::new(session.clone(), personality, Arc::new(ManualClock::new(noon())))
}

/// What the device answers, as text.
pub fn type_in(emulator: &mut Emulator, keys: &str) -> String {
    String::from_utf8(emulator.input(keys.as_bytes()).to_vec()).unwrap()
}

/// A login with the pager off, in the mode from which everything can be read.
pub fn ready(session: &Arc<SessionFile>) -> Emulator {
    let mut emulator = login(session);
    emulator.start();
    if emulator.mode() == "user" {
        type_in(&mut emulator, "enable\renable-lab\r");
    }
    for command in ["terminal length 0", "set cli screen-length 0"] {
        if session.commands().any(|known| known == command) {
            type_in(&mut emulator, &format!("{command}\r"));
        }
    }
    emulator
}

/// The lines of the answer to `command`, without echo and prompt.
pub fn answer(emulator: &mut Emulator, command: &str) -> Vec<String> {
    let shown = type_in(emulator, &format!("{command}\r"));
    let text = shown.strip_prefix(&format!("{command}\r\n")).expect("the echo");
    let mut lines: Vec<String> = text.split("\r\n").map(String::from).collect();
    lines.pop();
    lines
}
