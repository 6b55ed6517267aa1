//! Secrets that were taken out of configurations, and the numbers of the keys that open what is encrypted.
//!
//! The gateway puts them in and cannot read them again; [`Role::Revealer`](crate::access::Role::Revealer) reads them,
//! [`Role::Rotator`](crate::access::Role::Rotator) encrypts their data keys anew.

mod keys;
mod open;
mod rotate;
mod sightings;

pub use keys::{KeyUse, RetireError, key_uses, retire_key};
pub use open::{KeptSecret, kept};
pub use rotate::{
    SealedColumn, SealedKey, SealedPlace, data_keys_below, renew_data_keys, renew_secrets, secrets_below,
};
pub use sightings::{Sighting, sighting_on, sightings};
