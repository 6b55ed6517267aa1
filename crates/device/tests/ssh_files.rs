//! Files of devices, fetched from real servers: OpenSSH's with `sftp-server` and `scp`, and dropbear.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ssh_common;

use netraven_device::{Access, CollectOutcome, CollectRequest, Collected, DeviceSettings, Gateway};
use netraven_lab::{Lab, LabSettings};
use netraven_model::{ErrorCode, Event, Login, Target};
use netraven_platform::{Fetched, FileProtocol, FileRequest, Platform, Platforms};
use netraven_seal::{FingerprintKey, PublicKey, Sealing, decompress};
use ssh_common::*;
use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const BOTH: [FileProtocol; 2] = [FileProtocol::Sftp, FileProtocol::Scp];

/// Bytes that look random and are the same each time.
fn random(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn request(path: &Path, over: &[FileProtocol]) -> FileRequest {
    FileRequest {
        path: path.to_str().unwrap().to_owned(),
        over: over.to_vec(),
        silence: Duration::from_secs(20),
        until: Instant::now() + LONG,
        most: 8 << 20,
    }
}

/// What comes of fetching, on a connection of its own.
async fn fetch(target: &Target, login: &Login, request: &FileRequest) -> Fetched {
    let connection = open(target, login, &[], &settings()).await.unwrap();
    let fetched =
        tokio::time::timeout(LONG, connection.fetch(request, None)).await.expect("it has deadlines");
    connection.disconnect().await;
    fetched
}

fn content(fetched: Fetched) -> Vec<u8> {
    match fetched {
        Fetched::Content(content) => content.expose_bytes().to_vec(),
        Fetched::Refused(why) => panic!("{why}"),
        other => panic!("{other:?}"),
    }
}

fn refusal(fetched: Fetched) -> String {
    match fetched {
        Fetched::Refused(why) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn files_come_byte_by_byte_as_they_are() {
    let Some(server) = sshd::start(&["Subsystem sftp internal-sftp"], &["ed25519"], "ed25519").await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("one", b"x".to_vec()),
        ("random", random(3_000_001)),
        ("it's \"odd\" $(name) & more; *", random(70_000)),
        ("lines", b"\r\n\0\x01\x02C0644 5 x\nT0 0 0 0\n".repeat(1000)),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        for protocol in BOTH {
            let came = content(fetch(&server.target, &server.login(), &request(&path, &[protocol])).await);
            assert!(came == bytes, "{name} over {protocol:?}: {} of {} bytes", came.len(), bytes.len());
        }
    }
}

#[tokio::test]
async fn what_is_no_file_is_refused_and_what_is_too_large_is_not_fetched() {
    let Some(server) = sshd::start(&["Subsystem sftp internal-sftp"], &["ed25519"], "ed25519").await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large");
    std::fs::File::create(&large).unwrap().set_len((8 << 20) + 1).unwrap();
    for protocol in BOTH {
        let fetch =
            async |path: &Path| fetch(&server.target, &server.login(), &request(path, &[protocol])).await;
        let missing = refusal(fetch(&folder.path().join("missing")).await);
        assert!(missing.contains("No such file"), "{missing}");
        let directory = refusal(fetch(folder.path()).await);
        assert!(directory.contains("directory") || directory.contains("not a regular file"), "{directory}");
        match fetch(&large).await {
            Fetched::Failed(failure) => assert_eq!(failure.code, ErrorCode::OutputTooLarge, "{failure}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_one_protocol_does_not_bring_another_one_does() {
    // No subsystem at all: the other protocol is the one that is left.
    let Some(server) = sshd::start(&[], &["ed25519"], "ed25519").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    std::fs::write(&path, "content").unwrap();
    assert_eq!(content(fetch(&server.target, &server.login(), &request(&path, &BOTH)).await), b"content");
    let why = refusal(fetch(&server.target, &server.login(), &request(&path, &[FileProtocol::Sftp])).await);
    assert!(why.contains("over sftp: the device does not have it"), "{why}");
}

#[tokio::test]
async fn a_file_comes_from_dropbear() {
    let Some(server) = dropbear::start("ed25519").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a file");
    let bytes = random(500_000);
    std::fs::write(&path, &bytes).unwrap();
    for over in [&BOTH[..], &[FileProtocol::Scp]] {
        assert!(content(fetch(&server.target, &server.login(), &request(&path, over)).await) == bytes);
    }
    let why = refusal(fetch(&server.target, &server.login(), &request(Path::new("/none"), &BOTH)).await);
    assert!(why.contains("over scp:") && why.contains("No such file"), "{why}");
}

/// A server on which `scp` and the SFTP subsystem are this.
async fn lying(script: &str) -> Option<sshd::Sshd> {
    let command = format!("ForceCommand {script}");
    sshd::start(&[&command, "Subsystem sftp internal-sftp"], &["ed25519"], "ed25519").await
}

#[tokio::test]
async fn servers_that_lie_or_hang_are_found_out() {
    let told = [
        ("printf 'C0644 1000000 f\\n1234567890'", ErrorCode::Truncated, "10 of 1000000"),
        ("printf 'C0644 1073741824 f\\n1234567890'", ErrorCode::OutputTooLarge, "1073741824"),
        ("printf 'C0644 4 f\\n1234\\001scp: read error\\n'", ErrorCode::Truncated, "4 of 4"),
        ("printf 'C0644 4 f\\n1234'", ErrorCode::Truncated, "4 of 4"),
        ("printf 'C0644 400 f\\n1234'; sleep 600", ErrorCode::Timeout, "4 of 400"),
        ("sleep 600", ErrorCode::Timeout, "nothing of it"),
        // The end of a connection in the middle.
        ("printf 'C0644 400 f\\n1234'; sleep 1; kill -9 $PPID", ErrorCode::Disconnected, "4 of 400"),
    ];
    for (script, code, words) in told {
        let Some(server) = lying(script).await else { return };
        let wanted =
            FileRequest { silence: Duration::from_secs(3), ..request(Path::new("/f"), &[FileProtocol::Scp]) };
        match fetch(&server.target, &server.login(), &wanted).await {
            Fetched::Failed(failure) => {
                assert_eq!(failure.code, code, "{script}: {failure}");
                assert!(failure.message.contains(words), "{script}: {failure}");
            }
            other => panic!("{script}: {other:?}"),
        }
    }
    let Some(server) = lying("yes").await else { return };
    let why = refusal(fetch(&server.target, &server.login(), &request(Path::new("/f"), &BOTH)).await);
    assert!(why.lines().count() == 2 && why.len() < 2000, "{why}");
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_never_comes_wrong() {
    let Some(server) = sshd::start(&["Subsystem sftp internal-sftp"], &["ed25519"], "ed25519").await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("restless");
    let (sizes, stop) = ([2_000_000_u64, 3_000_000], Arc::new(std::sync::atomic::AtomicBool::new(false)));
    std::fs::File::create(&path).unwrap().set_len(sizes[0]).unwrap();
    let (at, over) = (path.clone(), stop.clone());
    let writer = std::thread::spawn(move || {
        for size in sizes.iter().cycle() {
            std::fs::File::options().write(true).open(&at).unwrap().set_len(*size).unwrap();
            std::thread::sleep(Duration::from_millis(1));
            if over.load(std::sync::atomic::Ordering::Relaxed) {
                break;
            }
        }
    });
    for protocol in BOTH {
        for _ in 0..5 {
            match fetch(&server.target, &server.login(), &request(&path, &[protocol])).await {
                Fetched::Content(content) => {
                    assert!(sizes.contains(&(content.len() as u64)), "{}", content.len())
                }
                Fetched::Failed(failure) => assert_eq!(failure.code, ErrorCode::Truncated, "{failure}"),
                other => panic!("{other:?}"),
            }
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
}

/// A platform for a shell whose only parts are a command and a file that a command makes and another one removes.
fn platform(folder: &Path, ssh: &str, compare: &str) -> Arc<Platform> {
    let shown = folder.display();
    let definition = format!(
        "name: box\ntitle: Box\nsources: [none]\ncomment: '#'\nmodes: {{m: {{prompt: '^ops@box:~\\$ $'}}}}\nlogout: exit\n\
         rejected: ['No such file']\n{ssh}parts:\n  - {{name: id, command: echo hello, kind: config, end: '^hello$'}}\n\
         \x20 - name: archive\n    kind: binary\n    command: cp {shown}/original {shown}/archive.bin; echo made\n\
         \x20   file: {{path: {shown}/archive.bin, cleanup: rm {shown}/archive.bin}}\n{compare}"
    );
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("box.yaml"), definition).unwrap();
    Platforms::load(Some(dir.path())).unwrap().get("box").unwrap()
}

/// To whom nobody has the key.
fn sealing() -> Sealing {
    Sealing { device: uuid::Uuid::nil(), public: PublicKey { number: 1, bytes: [9; 32] }, site: None }
}

async fn collect(server: &sshd::Sshd, platform: Arc<Platform>) -> CollectOutcome {
    let request = CollectRequest {
        job: None,
        access: Access::new(server.target.clone(), server.login()),
        platform,
        fingerprint_key: FingerprintKey::from_bytes([5; 32]),
        previous: None,
        sealing: Some(sealing()),
    };
    Gateway::new(DeviceSettings::default()).collect(&request).await
}

/// What is stored of the archive, and the significant hash.
fn stored(outcome: &CollectOutcome) -> (Vec<u8>, netraven_model::Hash256) {
    let Ok(Collected::Changed { config, .. }) = &outcome.result else {
        panic!("{:?}\n{}", outcome.result, outcome.dialogue)
    };
    let part = config.parts().iter().find(|part| part.name == "archive").expect("the archive");
    (decompress(&part.content, part.size, part.digest).unwrap(), config.significant())
}

#[tokio::test]
async fn an_archive_is_made_fetched_and_removed_and_not_one_byte_of_it_is_stored() {
    let shell = "ForceCommand case \"$SSH_ORIGINAL_COMMAND\" in '') PS1='ops@box:~$ ' exec bash --norc -i;; \
                 *) exec sh -c \"$SSH_ORIGINAL_COMMAND\";; esac";
    // The file comes beside the shell, in a connection of its own behind it, and without any shell.
    let exec = "ssh: {channel: exec, wrap: '{command}; echo the-end', end: '^the-end$'}\n";
    for (lines, ssh, connections) in
        [(&[shell][..], "", 1), (&[shell, "MaxSessions 1"], "", 3), (&[], exec, 1)]
    {
        let Some(server) = sshd::start(lines, &["ed25519"], "ed25519").await else { return };
        let folder = tempfile::tempdir().unwrap();
        let bytes = random(50_000);
        std::fs::write(folder.path().join("original"), &bytes).unwrap();
        let outcome = collect(&server, platform(folder.path(), ssh, "")).await;
        let (kept, before) = stored(&outcome);
        assert!(kept.starts_with(b"<secret:") && kept.len() < 64, "{}", String::from_utf8_lossy(&kept));
        let Ok(Collected::Changed { config, .. }) = &outcome.result else { panic!("it is new") };
        let values = &config.secrets().expect("the archive, sealed").values;
        assert!(values.len() == 1 && values[0].ciphertext.len() > bytes.len(), "{} values", values.len());
        let runs: HashSet<&[u8]> = bytes.windows(8).collect();
        for stored in [&kept, &values[0].ciphertext] {
            assert!(!stored.windows(8).any(|run| runs.contains(run)), "bytes of the archive in clear");
        }
        assert!(!folder.path().join("archive.bin").exists(), "{}", outcome.dialogue);
        let head = format!("# {} port", server.target.address);
        assert_eq!(outcome.dialogue.matches(&head).count(), connections, "{}", outcome.dialogue);
        let told = |event: &netraven_model::JobEvent| matches!(&event.event, Event::CommandOutput { command, bytes: 50_000, .. } if command.starts_with("file "));
        assert!(outcome.events.iter().any(told), "{:?}", outcome.events);

        // Another archive is no change, unless the definition says so.
        std::fs::write(folder.path().join("original"), random(100)).unwrap();
        assert_eq!(stored(&collect(&server, platform(folder.path(), ssh, "")).await).1, before);
        let compared = platform(folder.path(), ssh, "    compare: bytes\n");
        let after = stored(&collect(&server, compared.clone()).await).1;
        std::fs::write(folder.path().join("original"), random(101)).unwrap();
        assert_ne!(stored(&collect(&server, compared).await).1, after);
    }
}

#[tokio::test]
async fn a_simulated_device_gives_its_files_over_both_protocols() {
    let platforms = vec!["f5_tmsh_ucs".to_owned()];
    let lab = Lab::start(LabSettings { count: 1, platforms, ..LabSettings::default() }).unwrap();
    let device = &lab.devices()[0];
    let (username, password) = (device.username.clone(), Some(device.password.clone()));
    let login = Login { username, password, ..Login::default() };
    let target = target(&device.address.to_string(), device.port);
    let path = Path::new("/var/local/ucs/netraven.ucs");
    let archive = content(fetch(&target, &login, &request(path, &[FileProtocol::Sftp])).await);
    assert!(archive.starts_with(b"\x1f\x8b"), "gzip, as a UCS is");
    assert_eq!(content(fetch(&target, &login, &request(path, &[FileProtocol::Scp])).await), archive);
    let none = Path::new("/none");
    for protocol in BOTH {
        let why = refusal(fetch(&target, &login, &request(none, &[protocol])).await);
        assert!(why.contains("No such file"), "{why}");
    }
    let request = CollectRequest {
        job: None,
        access: Access::new(target, login),
        platform: Platforms::shipped().unwrap().get("f5_tmsh_ucs").unwrap(),
        fingerprint_key: FingerprintKey::from_bytes([5; 32]),
        previous: None,
        sealing: Some(sealing()),
    };
    let outcome = Gateway::new(DeviceSettings::default()).collect(&request).await;
    let Ok(Collected::Changed { config, .. }) = &outcome.result else { panic!("{outcome:?}") };
    let part = config.parts().iter().find(|part| part.name == "ucs").expect("the archive");
    let kept = decompress(&part.content, part.size, part.digest).unwrap();
    assert!(kept.starts_with(b"<secret:") && part.secrets == 1, "{kept:?}");
    assert_eq!(lab.unexpected(), Vec::new());
}
