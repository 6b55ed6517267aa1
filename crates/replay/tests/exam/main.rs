//! Recordings of real devices that are not part of the project, if they are at hand: the folder that
//! `NETRAVEN_EXAM_SESSIONS` names, or `shared/sessions` beside the checkout. Their README describes the format.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod device;
mod judge;
mod recording;

use netraven_platform::Platforms;
use recording::Recording;
use std::path::{Path, PathBuf};

/// Recordings that no collector but the recorder can be played, and why.
const UNPLAYABLE: [(&str, &str); 1] = [(
    "mlnxos#Onyx_3.9.2504",
    "keys were typed ahead of the pager, so that it shows and vanishes in one piece",
)];

/// The folder, if there is one.
fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("NETRAVEN_EXAM_SESSIONS").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/sessions");
    named.or_else(|| beside.is_dir().then_some(beside))
}

#[test]
fn recordings_of_real_devices_are_understood() {
    let Some(folder) = folder() else {
        eprintln!("skipped: no recordings of real devices here (NETRAVEN_EXAM_SESSIONS names their folder)");
        return;
    };
    let platforms = Platforms::shipped().unwrap();
    let (mut failures, mut judged) = (Vec::new(), 0);
    for recording in Recording::all(&folder) {
        let Some(platform) = platforms.get(&recording.model) else {
            eprintln!("{}: no platform of this name", recording.name);
            continue;
        };
        if let Some((_, reason)) = UNPLAYABLE.iter().find(|(name, _)| *name == recording.name) {
            eprintln!("{}: not played: {reason}", recording.name);
            continue;
        }
        let verdict = judge::judge(&platform, &recording);
        eprintln!("{} ({}): {}", recording.name, platform.name, verdict.summary);
        judged += 1;
        failures.extend(verdict.failures.into_iter().map(|failure| format!("{}: {failure}", recording.name)));
    }
    assert!(judged > 0, "no recording in {} could be judged", folder.display());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
