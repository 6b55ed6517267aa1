use crate::client::get;
use crate::place::{AUDIENCE, ISSUER, Place, auth, shown};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use netraven_service::gateway::{Right, issue};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::{Value, json};

/// Claims that are good, `seconds` from now until they end.
fn claims(change: impl FnOnce(&mut Value)) -> Value {
    let now = Utc::now().timestamp();
    let mut claims = json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "monitor", "exp": now + 600});
    change(&mut claims);
    claims
}

fn signed(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, key).unwrap()
}

async fn status(place: &Place, token: &str) -> u16 {
    let header = format!("Bearer {token}");
    let reply = get(place.address, "/ready", &[("authorization", &header)]).await;
    if reply.status != 200 {
        assert_eq!((reply.status, reply.detail().as_str()), (403, "Invalid or missing API Key"));
    }
    reply.status
}

#[tokio::test]
async fn tokens_are_taken_as_they_were_issued_and_every_other_one_is_refused() {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let public = pair.public_key_pem();
    let secret = "s".repeat(43);
    let (pem, line) = (public.clone(), secret.clone());
    let place = Place::with(None, |settings| {
        let folder = settings.auth.key_file.parent().unwrap().to_owned();
        settings.auth.public_keys = Some(folder.join("issuers.pem"));
        std::fs::write(folder.join("issuers.pem"), pem).unwrap();
        std::fs::write(&settings.auth.token_secrets, line).unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&settings.auth.token_secrets, PermissionsExt::from_mode(0o600)).unwrap();
    })
    .await;
    let ours = EncodingKey::from_secret(secret.as_bytes());
    let theirs = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
    let now = Utc::now().timestamp();
    let (hs, ed) = (Algorithm::HS256, Algorithm::EdDSA);
    let good = claims(|_| {});

    assert_eq!(status(&place, &signed(hs, &ours, &good)).await, 200);
    assert_eq!(status(&place, &signed(ed, &theirs, &good)).await, 200);
    assert_eq!(status(&place, &signed(hs, &ours, &claims(|c| c["nbf"] = json!(now - 60)))).await, 200);

    let other = EncodingKey::from_secret("t".repeat(43).as_bytes());
    let public_as_secret = EncodingKey::from_secret(public.as_bytes());
    let der = pair.public_key_raw().to_vec();
    let raw_as_secret = EncodingKey::from_secret(&der);
    let none = format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#),
        URL_SAFE_NO_PAD.encode(good.to_string())
    );
    let mut critical = Header::new(hs);
    critical.crit = Some(vec!["exp".into()]);
    let without = |field: &'static str| {
        claims(|c| {
            c.as_object_mut().unwrap().remove(field);
        })
    };
    for (what, token) in [
        ("expired", signed(hs, &ours, &claims(|c| c["exp"] = json!(now - 120)))),
        ("not yet", signed(hs, &ours, &claims(|c| c["nbf"] = json!(now + 600)))),
        ("another issuer", signed(hs, &ours, &claims(|c| c["iss"] = json!("https://evil")))),
        ("another audience", signed(ed, &theirs, &claims(|c| c["aud"] = json!("other")))),
        ("no expiry", signed(hs, &ours, &without("exp"))),
        ("no issuer", signed(hs, &ours, &without("iss"))),
        ("no audience", signed(hs, &ours, &without("aud"))),
        ("no subject", signed(hs, &ours, &without("sub"))),
        ("a subject for the log", signed(hs, &ours, &claims(|c| c["sub"] = json!("a\nb")))),
        ("another secret", signed(hs, &other, &good)),
        ("the public key as a secret", signed(hs, &public_as_secret, &good)),
        ("the public key's bytes as a secret", signed(hs, &raw_as_secret, &good)),
        ("another HMAC", signed(Algorithm::HS512, &ours, &good)),
        ("no signature", none),
        ("an unknown extension", encode(&critical, &good, &ours).unwrap()),
        ("nothing", String::new()),
        ("very long", "x".repeat(6000)),
    ] {
        assert_eq!(status(&place, &token).await, 403, "{what}");
    }
    place.stop().await;
}

#[tokio::test]
async fn an_issued_token_carries_its_rights_and_ends() {
    let place = Place::new().await;
    let settings = auth(&place.folder);
    let rights = [Right::Raw].into();
    let token = shown(&issue(&settings, "ops", &rights, TimeDelta::hours(1)).unwrap());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    // The first token made the file with the secret; the server takes it up.
    while status(&place, &token).await != 200 {
        assert!(std::time::Instant::now() < deadline, "the token was never accepted");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let ended = shown(&issue(&settings, "ops", &rights, TimeDelta::hours(-1)).unwrap());
    assert_eq!(status(&place, &ended).await, 403);
    assert!(issue(&settings, "a b", &rights, TimeDelta::hours(1)).is_err());
    place.stop().await;
}
