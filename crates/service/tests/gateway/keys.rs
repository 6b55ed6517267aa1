use crate::client::get;
use crate::place::{Place, shown};
use netraven_service::gateway::{KeyFile, KeyFileError, Right};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use tokio::time::sleep;

const REFUSED: &str = "Invalid or missing API Key";

async fn status_with(place: &Place, headers: &[(&str, &str)]) -> u16 {
    get(place.address, "/ready", headers).await.status
}

#[tokio::test]
async fn a_valid_key_lets_in_and_everything_else_is_refused_with_the_same_words() {
    let place = Place::new().await;
    let (key, wrong) = (place.key.as_str(), "nrk_wrong");
    for good in [key, place.raw_key.as_str(), "key-of-the-settings"] {
        assert_eq!(status_with(&place, &[("x-api-key", good)]).await, 200);
    }
    let bearer = format!("Bearer {key}");
    let cases: [&[(&str, &str)]; 8] = [
        &[],
        &[("x-api-key", wrong)],
        &[("x-api-key", "")],
        &[("x-api-key", "dev-key")],
        &[("x-api-key", key), ("x-api-key", key)],
        &[("authorization", &bearer)],
        &[("authorization", "Basic eDp4")],
        &[("x-api-key", key), ("authorization", "Bearer wrong")],
    ];
    for headers in cases {
        let reply = get(place.address, "/ready", headers).await;
        assert_eq!((reply.status, reply.detail().as_str()), (403, REFUSED), "{headers:?}");
    }
    place.stop().await;
}

#[tokio::test]
async fn keys_are_rotated_without_a_restart() {
    let place = Place::new().await;
    let file = KeyFile::new(&place.auth.key_file);
    let new = shown(&file.add("new", [].into()).unwrap());
    becomes(&place, &new, 200).await;
    file.set_disabled("plain", true).unwrap();
    becomes(&place, &place.key, 403).await;
    file.set_disabled("plain", false).unwrap();
    becomes(&place, &place.key, 200).await;
    file.remove("new").unwrap();
    becomes(&place, &new, 403).await;
    // A file that cannot be read changes nothing.
    std::fs::write(&place.auth.key_file, "keys: [canary").unwrap();
    sleep(Duration::from_millis(1500)).await;
    assert_eq!(status_with(&place, &[("x-api-key", &place.key)]).await, 200);
    place.stop().await;
}

async fn becomes(place: &Place, key: &str, status: u16) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while status_with(place, &[("x-api-key", key)]).await != status {
        assert!(Instant::now() < deadline, "the key never became {status}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn the_first_key_is_made_once_and_shown_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = KeyFile::new(folder.path().join("keys/gateway_keys.yaml"));
    let shown = file.create_first().unwrap().unwrap();
    assert_eq!(std::fs::metadata(&shown).unwrap().permissions().mode() & 0o777, 0o600);
    let key = std::fs::read_to_string(&shown).unwrap();
    assert!(key.starts_with("nrk_") && key.trim().len() > 40);
    assert_eq!(file.create_first().unwrap(), None);
    let text = std::fs::read_to_string(folder.path().join("keys/gateway_keys.yaml")).unwrap();
    assert!(!text.contains(key.trim()) && text.contains("first"), "{text}");
}

#[test]
fn a_file_of_keys_that_others_can_read_is_refused_and_names_are_unique_and_plain() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway_keys.yaml");
    let file = KeyFile::new(&path);
    file.add("one", [Right::Raw].into()).unwrap();
    assert!(matches!(file.add("one", [].into()), Err(KeyFileError::Duplicate(_))));
    assert!(matches!(file.remove("two"), Err(KeyFileError::NotFound(_))));
    for bad in ["", "a b", "a\nb", &"x".repeat(65)] {
        assert!(matches!(file.add(bad, [].into()), Err(KeyFileError::Name(_))), "{bad:?}");
    }
    assert_eq!(file.load().unwrap()[0].rights, [Right::Raw].into());
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    let error = file.load().unwrap_err().to_string();
    assert!(error.contains("chmod 0600"), "{error}");
}
