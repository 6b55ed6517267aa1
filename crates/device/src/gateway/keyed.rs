//! One thing for each of many keys.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// Below this many entries nothing is forgotten.
const FEW: usize = 64;

/// Things that are made when first asked for, and forgotten when nobody holds them and they have nothing to remember.
#[derive(Debug)]
pub(super) struct Keyed<K, V> {
    entries: Mutex<Entries<K, V>>,
    remembers: fn(&V) -> bool,
}

#[derive(Debug)]
struct Entries<K, V> {
    made: HashMap<K, Arc<V>>,
    /// When the map has grown to this, what can be forgotten is: each entry costs a constant time on average.
    look_at: usize,
}

impl<K: Eq + Hash, V> Keyed<K, V> {
    /// Nothing yet; `remembers` says of a thing that nobody holds whether it is still needed.
    pub(super) fn new(remembers: fn(&V) -> bool) -> Self {
        Self { entries: Mutex::new(Entries { made: HashMap::new(), look_at: FEW }), remembers }
    }

    /// The thing of that key, made if there is none.
    pub(super) fn get(&self, key: K, make: impl FnOnce() -> V) -> Arc<V> {
        // A panic in `make` leaves the map as it was.
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.made.len() >= entries.look_at && !entries.made.contains_key(&key) {
            entries.made.retain(|_, made| Arc::strong_count(made) > 1 || (self.remembers)(made));
            entries.look_at = (2 * entries.made.len()).max(FEW);
        }
        entries.made.entry(key).or_insert_with(|| Arc::new(make())).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_holds_and_what_remembers_nothing_is_forgotten() {
        let keyed = Keyed::new(|number: &u32| *number == 5000);
        let held = keyed.get(0, || 7);
        for key in 1..10_000 {
            keyed.get(key, || key);
        }
        assert!(Arc::ptr_eq(&held, &keyed.get(0, || 8)));
        assert_eq!(*keyed.get(5000, || 1), 5000);
        assert!(keyed.entries.lock().unwrap().made.len() <= FEW + 2);
    }
}
