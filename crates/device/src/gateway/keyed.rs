//! One thing for each of many keys, as long as somebody holds it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Below this many entries nobody looks for dead ones.
const FEW: usize = 64;

/// Things that are made when first asked for and gone when nobody holds them any more.
#[derive(Debug)]
pub(super) struct Keyed<K, V> {
    entries: Mutex<Entries<K, V>>,
}

#[derive(Debug)]
struct Entries<K, V> {
    held: HashMap<K, Weak<V>>,
    /// When the map has grown to this, the dead are taken out: each entry costs a constant time on average.
    look_at: usize,
}

impl<K: Eq + Hash, V> Default for Keyed<K, V> {
    fn default() -> Self {
        Self { entries: Mutex::new(Entries { held: HashMap::new(), look_at: FEW }) }
    }
}

impl<K: Eq + Hash, V> Keyed<K, V> {
    /// The thing of that key, made if nobody holds one.
    pub(super) fn get(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        // A panic in `make` leaves the map as it was.
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = entries.held.get(&key).and_then(Weak::upgrade) {
            return held;
        }
        if entries.held.len() >= entries.look_at {
            entries.held.retain(|_, held| held.strong_count() > 0);
            entries.look_at = (2 * entries.held.len()).max(FEW);
        }
        let made = Arc::new(make());
        entries.held.insert(key, Arc::downgrade(&made));
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_holds_is_forgotten_and_what_somebody_holds_is_shared() {
        let keyed = Keyed::default();
        let held = keyed.get(0, || 7);
        for key in 1..10_000 {
            keyed.get(key, || key);
        }
        assert!(Arc::ptr_eq(&held, &keyed.get(0, || 8)));
        assert!(keyed.entries.lock().unwrap().held.len() <= FEW + 1);
    }
}
