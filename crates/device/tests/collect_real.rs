//! Whole backups from real systems behind a real OpenSSH server: FRR's `vtysh`, and a shell.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ssh_common;

use netraven_device::{
    Access, CollectOutcome, CollectRequest, Collected, DeviceSettings, Gateway, LoginResult, Previous,
};
use netraven_model::{Event, Facts, PartKind};
use netraven_platform::Platforms;
use netraven_seal::{FingerprintKey, SealedConfig, decompress};
use ssh_common::frr::Frr;
use ssh_common::sshd;

/// zebra and bgpd behind `vtysh`.
async fn start_frr() -> Option<Frr> {
    let mut frr = Frr::new()?;
    frr.daemon(
        "zebra",
        "hostname frr-real\npassword zebra-canary\n!\ninterface lo\n description uplink to nowhere\n",
        0,
        &[],
    );
    frr.wait_for("zebra.vty").await;
    let bgp =
        "router bgp 65001\n neighbor 192.0.2.9 remote-as 65002\n neighbor 192.0.2.9 password bgp-canary\n";
    frr.daemon("bgpd", bgp, 0, &["-p", "0"]);
    frr.wait_for("bgpd.vty").await;
    Some(frr)
}

fn request(server: &sshd::Sshd, platform: &str) -> CollectRequest {
    CollectRequest {
        job: None,
        access: Access::new(server.target.clone(), server.login()),
        platform: Platforms::shipped().unwrap().get(platform).unwrap(),
        fingerprint_key: FingerprintKey::from_bytes([5; 32]),
        sealing: None,
        previous: None,
    }
}

fn changed(outcome: CollectOutcome) -> (Box<SealedConfig>, Facts) {
    match outcome.result {
        Ok(Collected::Changed { config, facts, .. }) => (config, facts),
        other => panic!("{other:?}\n{}", outcome.dialogue),
    }
}

fn text(config: &SealedConfig, name: &str) -> String {
    let part = config.parts().iter().find(|part| part.name == name).unwrap();
    String::from_utf8(decompress(&part.content, part.size, part.digest).unwrap()).unwrap()
}

#[tokio::test]
async fn the_running_configuration_of_a_real_frr_is_collected_whole_and_without_its_secrets() {
    let Some(frr) = start_frr().await else { return };
    let force = format!("ForceCommand vtysh --vty_socket {}", frr.folder.path().display());
    let Some(server) = sshd::start(&[&force], &["ed25519"], "ed25519").await else { return };
    let mut request = request(&server, "frr");

    let gateway = Gateway::new(DeviceSettings::default());
    let outcome = gateway.collect(&request).await;
    assert_eq!(outcome.login, LoginResult::Accepted);
    assert!(!outcome.dialogue.contains("canary"), "{}", outcome.dialogue);
    assert!(outcome.events.iter().any(|event| matches!(event.event, Event::HostKeyLearned { .. })));
    request.access.host_keys = outcome.learned.clone().into_iter().collect();
    let (config, facts) = changed(outcome);
    let running = text(&config, "running-config");
    assert!(running.starts_with("Building configuration...") && running.ends_with("!\nend\n"), "{running}");
    for line in [
        "hostname frr-real\n",
        " description uplink to nowhere\n",
        "router bgp 65001\n",
        "neighbor 192.0.2.9 password <secret:",
    ] {
        assert!(running.contains(line), "{line} in {running}");
    }
    assert!(!running.contains("canary") && !config.readable().contains("canary"), "{running}");
    assert!(facts.software_version.is_some() && facts.hostname.as_deref() == Some("frr-real"), "{facts:?}");
    assert_eq!(config.parts().iter().filter(|part| part.kind == PartKind::Config).count(), 1);

    request.previous = Some(Previous { significant: config.significant(), size: config.size() });
    let again = gateway.collect(&request).await;
    assert!(matches!(again.result, Ok(Collected::Unchanged { .. })), "{again:?}");
    assert!(again.learned.is_none());
}

#[tokio::test]
async fn a_real_shell_is_collected_with_what_it_has() {
    let shell = "ForceCommand env PS1='ops@box:~$ ' bash --norc -i";
    let Some(server) = sshd::start(&[shell], &["ed25519"], "ed25519").await else { return };
    let outcome = Gateway::new(DeviceSettings::default()).collect(&request(&server, "linux")).await;
    let (config, facts) = changed(outcome);
    assert!(text(&config, "kernel").starts_with("Linux "));
    assert!(text(&config, "hosts").contains("localhost"));
    assert!(facts.software_version.is_some(), "{facts:?}");
}
