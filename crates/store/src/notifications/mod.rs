//! Who is told of changes, and what became of the telling.
//!
//! A change is handed to the channels that want it by [`route`], once. Each channel's deliveries are then claimed in order
//! under a lease, by one notifier at a time; what was sent and not recorded, because the notifier died in between, is
//! sent again.

mod channels;
mod claim;
mod deliveries;
mod route;

pub use channels::{
    Channel, ChannelRow, Digest, NewChannel, add, enable, get, list, next_id, remove, replace_secret, sealed,
};
pub use claim::{Claimed, Delivery, DeviceInfo, Failed, claim, failed, release, sent};
pub use deliveries::{DeliveryFilter, DeliveryRow, deliveries, retry, retry_all_dead};
pub use route::{Routed, empty_digests, finish_empty_digest, route};
