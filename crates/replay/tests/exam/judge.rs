//! What a recording says about a definition.

use crate::device::{RecordedDevice, clean};
use crate::recording::{Recording, wire};
use netraven_model::{Failure, Login, PartKind};
use netraven_platform::{Fetched, Limits, Machine, Next, Output, Plan, Platform, Terminal};
use netraven_seal::{FingerprintKey, RawPart, decompress, mask};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits {
    login: Duration::from_secs(30),
    silence: Duration::from_secs(300),
    session: Duration::from_secs(3600),
    logout: Duration::from_secs(2),
    max_output: 64 << 20,
};

pub struct Verdict {
    pub summary: String,
    pub failures: Vec<String>,
}

/// One part: as it came, and as it would be stored, whole and without what is volatile.
struct Part {
    kind: PartKind,
    raw: Vec<u8>,
    stored: String,
    significant: String,
}

pub fn judge(platform: &Arc<Platform>, recording: &Recording) -> Verdict {
    let mut failures = prompts(platform, recording);
    let classified = {
        let prompts = &recording.prompts;
        prompts.pass.len() + prompts.pass_with_expect.len() + prompts.fail.len()
    };
    let mut summary = vec![];
    if classified > 0 {
        summary.push(format!("{classified} lines classified"));
    }
    if let Some(mut device) = recording.simulation.as_ref().and_then(|s| RecordedDevice::new(s, platform)) {
        let result = play(platform, &mut device);
        if !device.unknown.is_empty() {
            summary.push(format!("not recorded: {}", device.unknown.join("; ")));
        }
        match result {
            Ok(outputs) => {
                let parts = parts(platform, outputs);
                summary.push(compare(recording, &device, &parts, &mut failures));
            }
            // What the platform asks for in other words than the recorder cannot be judged.
            Err(failure) if asked_otherwise(platform, &device) => {
                summary.push(format!("not comparable: {failure}"));
            }
            Err(failure) => failures.push(failure.to_string()),
        }
    } else if recording.simulation.is_some() {
        failures.push("the first prompt is not recognised".to_owned());
    }
    Verdict { summary: summary.join(", "), failures }
}

/// Whether a part that must be there is not in the recording, or only as the answer to a similar command.
fn asked_otherwise(platform: &Platform, device: &RecordedDevice) -> bool {
    let last = device.known.last().map(|(command, _)| command);
    last.is_some_and(|last| device.loosely.contains(last))
        || platform.parts.iter().any(|part| {
            let known = |command: &String| device.known.iter().any(|(asked, _)| asked == command);
            let refused = |command: &String| device.unknown.contains(command);
            !part.optional && part.commands.iter().any(refused) && !part.commands.iter().any(known)
        })
}

fn prompts(platform: &Platform, recording: &Recording) -> Vec<String> {
    let lines = &recording.prompts;
    let (mut failures, recognised) =
        (Vec::new(), |line: &str| platform.prompt(&clean(&wire(line))).is_some());
    for line in lines.pass.iter().chain(&lines.pass_with_expect).filter(|line| !recognised(line)) {
        failures.push(format!("not recognised as a prompt: {line:?}"));
    }
    // What the recorder sees before escape codes are cleaned away is cleaned for us.
    let raw = |line: &&String| !lines.pass_with_expect.contains(line);
    for line in lines.fail.iter().filter(raw).filter(|line| recognised(line)) {
        failures.push(format!("taken for a prompt: {line:?}"));
    }
    failures
}

fn play(platform: &Arc<Platform>, device: &mut RecordedDevice) -> Result<Vec<Output>, Failure> {
    let mut now = Instant::now();
    let secret = || Some("not-recorded".into());
    let (username, password) = ("netraven".to_owned(), secret());
    let login = Login { username, password, enable: secret(), ..Login::default() };
    let plan = Plan::backup(platform.clone(), &login, LIMITS);
    let mut machine = Machine::new(plan, now);
    let mut bytes = device.greeting();
    loop {
        machine.receive(&bytes, now);
        bytes = loop {
            match machine.next(now) {
                Next::Send(sent) => break device.answer(&sent, platform),
                Next::Fetch(_) => machine.fetched(Fetched::Refused(String::new()), now),
                Next::Wait(until) => now = until,
                Next::Finished => return machine.report().result,
            }
        };
    }
}

fn parts(platform: &Platform, outputs: Vec<Output>) -> Vec<Part> {
    let raw: Vec<(PartKind, Vec<u8>)> = outputs
        .iter()
        .map(|output| (platform.parts[output.part].kind, output.capture.expose_bytes().to_vec()))
        .collect();
    let masked = outputs.into_iter().map(|output| RawPart {
        name: platform.parts[output.part].name.clone(),
        context: output.context,
        kind: platform.parts[output.part].kind,
        command: output.command,
        secrets: platform.find_secrets(output.capture.expose_bytes()),
        volatile: platform.find_volatile(output.capture.expose_bytes()),
        capture: output.capture,
    });
    let sealed = mask(masked.collect(), &FingerprintKey::from_bytes([1; 32])).unwrap().seal(None).unwrap();
    let part = |((kind, raw), part): ((PartKind, Vec<u8>), &netraven_seal::SealedPart)| {
        let text = decompress(&part.content, part.size, part.digest).unwrap();
        let (mut kept, mut at) = (Vec::new(), 0);
        for span in &part.volatile {
            kept.extend_from_slice(&text[at..span.start]);
            at = span.end;
        }
        kept.extend_from_slice(&text[at..]);
        let lossy = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        Part { kind, raw, stored: lossy(&text), significant: lossy(&kept) }
    };
    raw.into_iter().zip(sealed.parts()).map(part).collect()
}

/// The collected texts against the recorder's.
fn compare(
    recording: &Recording,
    device: &RecordedDevice,
    parts: &[Part],
    failures: &mut Vec<String>,
) -> String {
    if !parts.iter().any(|part| part.kind == PartKind::Config && !part.raw.is_empty()) {
        failures.push("no configuration was collected".to_owned());
    }
    let all = |text: fn(&Part) -> &str| parts.iter().map(text).collect::<Vec<_>>().join("\n");
    let (stored, significant) = (all(|part| &part.stored), all(|part| &part.significant));
    for secret in recording.secrets.fail.iter().filter(|secret| stored.contains(secret.as_str())) {
        let line = stored.lines().find(|line| line.contains(secret.as_str())).unwrap_or_default();
        failures.push(format!("the secret {secret:?} would be stored in clear: {line:?}"));
    }
    for text in &recording.secrets.pass {
        // The recorder's own mark begins with `<`; ours stands in the same place.
        let before = text.trim_start_matches("# ").split('<').next().unwrap_or_default().replace("\\.", ".");
        let there = parts.iter().any(|part| String::from_utf8_lossy(&part.raw).contains(&before));
        // How much of the line in front of the value it keeps is each one's own affair.
        let hidden = stored
            .lines()
            .any(|line| line.split_once(&before).is_some_and(|(_, rest)| rest.contains("<secret:")));
        if text.contains('<') && there && !hidden {
            failures.push(format!("a secret was expected to be hidden behind {before:?}"));
        }
    }
    for text in recording.significant.fail.iter().filter(|text| significant.contains(text.as_str())) {
        failures.push(format!("its change alone is no new version, but it is not volatile: {text:?}"));
    }
    for text in recording.significant.pass.iter().map(|text| text.trim_start_matches("# ")) {
        // What the recorder collects and this platform does not is no concern.
        let collected = stored.contains(text);
        if collected && !significant.contains(text) {
            failures.push(format!("its change is a new version, but it is volatile: {text:?}"));
        }
    }
    coverage(recording, device, parts, failures)
}

/// Every line the recorder kept out of the answers to the same commands must have been collected.
fn coverage(
    recording: &Recording,
    device: &RecordedDevice,
    parts: &[Part],
    failures: &mut Vec<String>,
) -> String {
    let shown = |text: &[u8]| {
        let mut terminal = Terminal::default();
        terminal.feed(text);
        String::from_utf8_lossy(terminal.text()).into_owned()
    };
    let set = |texts: Vec<String>| -> HashSet<String> {
        texts.iter().flat_map(|text| text.lines()).map(|line| line.trim().to_owned()).collect()
    };
    let collected = set(parts.iter().map(|part| String::from_utf8_lossy(&part.raw).into_owned()).collect());
    let asked = set(device.known.iter().map(|(_, answer)| shown(answer)).collect());
    let output = recording.output.as_deref().unwrap_or_default();
    let lines: Vec<&str> = output.lines().map(uncommented).filter(|line| !line.is_empty()).collect();
    // Some recorders keep echo and prompt.
    let noise: HashSet<String> = device
        .known
        .iter()
        .flat_map(|(command, answer)| {
            let last = shown(answer).lines().last().unwrap_or_default().trim().to_owned();
            [command.trim().to_owned(), last]
        })
        .collect();
    let missing: Vec<&&str> = lines
        .iter()
        .filter(|line| asked.contains(**line) && !collected.contains(**line) && !noise.contains(**line))
        .collect();
    for line in missing.iter().take(5) {
        failures.push(format!("the recorder collected a line that is missing here: {line:?}"));
    }
    let found = lines.iter().filter(|line| collected.contains(**line)).count();
    format!("{found} of the recorder's {} lines", lines.len())
}

/// A line of the recorder's output without its comment sign.
fn uncommented(line: &str) -> &str {
    let line = line.trim();
    ["! ", "# ", "; ", "-- ", "// "].iter().find_map(|sign| line.strip_prefix(sign)).unwrap_or(line).trim()
}
