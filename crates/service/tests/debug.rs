//! `Debug` of everything that holds a secret, in one list.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use netraven_device::{Access, CollectRequest};
use netraven_model::{Capture, Login, PartKind, Protocol, Secret, Span, Target};
use netraven_platform::{HttpAnswer, Next, Platforms};
use netraven_seal::{FingerprintKey, RawPart, mask};
use netraven_service::gateway::AuthSettings;
use netraven_store::ConnectSettings;
use netraven_vault::{KeySource, Place, Vault};
use std::fmt::Debug;
use uuid::Uuid;

const CANARY: &str = "canary-secret";

#[track_caller]
fn shows_none(value: &dyn Debug) {
    for shown in [format!("{value:?}"), format!("{value:#?}").replace([' ', '\n'], "")] {
        // Bytes are shown as numbers.
        let numbers: Vec<String> = CANARY.bytes().take(6).map(|byte| byte.to_string()).collect();
        let (spaced, dense) = (numbers.join(", "), numbers.join(","));
        for canary in ["canary", &spaced, &dense] {
            assert!(!shown.contains(canary), "{shown}");
        }
    }
}

fn login() -> Login {
    let secret = || Some(Secret::from(CANARY));
    Login {
        credential: None,
        username: "ops".into(),
        password: secret(),
        enable: secret(),
        private_key: secret(),
        key_passphrase: secret(),
    }
}

fn target() -> Target {
    Target {
        device: None,
        uuid: Uuid::nil(),
        hostname: "r1".into(),
        address: "127.0.0.1".into(),
        port: 22,
        protocol: Protocol::Ssh,
        platform: "frr".into(),
    }
}

fn part() -> RawPart {
    let text = format!("password {CANARY}\n").into_bytes();
    RawPart {
        name: "running-config".into(),
        context: None,
        command: "show running-config".into(),
        kind: PartKind::Config,
        secrets: vec![Span { start: 9, end: 9 + CANARY.len() }],
        volatile: Vec::new(),
        capture: Capture::new(text),
    }
}

#[test]
fn what_a_session_holds_shows_no_secret() {
    shows_none(&Secret::from(CANARY));
    shows_none(&Capture::new(CANARY.into()));
    shows_none(&login());
    let access = Access { via: vec![Access::new(target(), login())], ..Access::new(target(), login()) };
    shows_none(&access);
    shows_none(&CollectRequest {
        job: None,
        access,
        platform: Platforms::shipped().unwrap().get("frr").unwrap(),
        fingerprint_key: FingerprintKey::from_bytes([7; 32]),
        sealing: None,
        previous: None,
    });
    shows_none(&Next::Send(CANARY.as_bytes().to_vec().into()));
    shows_none(&HttpAnswer {
        headers: vec![("set-cookie".into(), CANARY.to_owned().into())],
        body: CANARY.as_bytes().to_vec().into(),
        ..HttpAnswer::default()
    });
}

#[test]
fn what_is_sealed_and_what_opens_it_shows_no_secret_and_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let vault = Vault::open_or_create(&path).unwrap();
    let device = Uuid::new_v4();
    shows_none(&part());
    let key = FingerprintKey::from_bytes([7; 32]);
    let masked = mask(vec![part()], &key).unwrap();
    shows_none(&masked);
    let sealing = vault.sealing(device, true);
    let config = masked.seal(Some(&sealing)).unwrap();
    shows_none(&config);
    let sealed = config.secrets().unwrap();
    let data_key = vault.open_capture(device, &sealed.key).unwrap();
    let opened = data_key.open(sealed.values[0].fingerprint, &sealed.values[0].ciphertext).unwrap();
    assert_eq!(opened.expose_text(), Some(CANARY));
    shows_none(&opened);
    let place = Place { table: "credentials", column: "password", row: 1 };
    shows_none(&vault.unseal(&place, &vault.seal(&place, &opened).unwrap()).unwrap());
    // Of keys only names and numbers.
    for shown in [
        format!("{key:?}"),
        format!("{:?}", sealing.site),
        format!("{sealing:?}"),
        format!("{:?}", sealing.public),
        format!("{sealed:?}"),
        format!("{data_key:?}"),
    ] {
        assert!(shown.len() < 120 && !shown.contains('['), "{shown}");
    }
    let file = std::fs::read_to_string(&path).unwrap();
    let key = file.split_once("\"key\": \"").unwrap().1.get(..44).unwrap();
    assert!(!format!("{vault:?}").contains(key) && !format!("{vault:#?}").contains(key));
    let command = KeySource::Command(["/bin/kms", "--token", CANARY].map(str::to_owned).into());
    shows_none(&command);
    assert!(format!("{command:?}").contains("/bin/kms"));
}

#[test]
fn settings_with_a_password_or_a_key_show_neither() {
    shows_none(&ConnectSettings {
        login: Some(("ops".into(), CANARY.into())),
        ..ConnectSettings::new(format!("postgresql://u:{CANARY}@localhost/netraven"))
    });
    shows_none(&AuthSettings {
        key_file: "keys.yaml".into(),
        api_key: Some(CANARY.into()),
        issuer: "i".into(),
        audience: "a".into(),
        token_secrets: "secrets".into(),
        public_keys: None,
    });
}
