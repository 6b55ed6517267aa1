//! What signs webhooks is encrypted with the newest key, and stays the same secret.

use crate::place::Place;
use crate::receiver::Receiver;
use netraven_model::DeliveryStatus::Sent;
use netraven_service::Rotation;
use netraven_store::access::Role;
use netraven_store::{notifications, secrets};
use std::time::Duration;

#[tokio::test]
async fn a_rotation_brings_what_signs_webhooks_to_the_newest_key() {
    let Some(place) = Place::new().await else { return };
    let receiver = Receiver::start([]).await;
    let secret = place.webhook("hook", &receiver.url).await;
    let id = notifications::get(&place.store, "hook").await.unwrap().channel.id;
    let before = notifications::sealed(&place.store, id).await.unwrap();
    let rotator = place.database.store_as(Role::Rotator).await;
    let rotation = Rotation::new(rotator.clone(), place.vault.clone());
    let key = rotation.add_key().await.unwrap();
    assert_eq!(rotation.left().await.unwrap(), 1);
    let done = rotation.run(&|_| {}).await.unwrap();
    assert_eq!((done.key, done.renewed, done.unopened), (key, 1, 0));
    assert_ne!(notifications::sealed(&place.store, id).await.unwrap(), before);
    let uses = secrets::key_uses(&rotator).await.unwrap();
    assert_eq!((uses.len(), uses[0].number, uses[0].channels), (1, i64::from(key), 1));
    secrets::retire_key(&rotator, key - 1, || place.vault.remove_key(key - 1)).await.unwrap();

    place.change(1).await;
    let notifier = place.notifier(|_| {}).await;
    place.wait("hook", Sent, 1).await;
    receiver.requests()[0].verify(&secret);
    notifier.stop(Duration::from_secs(30)).await;
}
