use super::jobs::Calls;
use super::journal::Journal;
use super::limits::Room;
use super::metrics::Metrics;
use super::settings::ApiLimits;
use crate::Definitions;
use crate::http::Front;
use axum::extract::FromRef;
use netraven_device::Gateway;
use netraven_model::HostKey;
use netraven_store::Store;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Host keys of addresses outside the inventory that are remembered; beyond that no new ones are.
const REMEMBERED_KEYS: usize = 100_000;

/// What all routes share.
pub(crate) struct Api {
    pub(crate) front: Front,
    pub(crate) definitions: Definitions,
    /// The database as the gateway's role; `None` where there is none.
    pub(crate) store: Option<Store>,
    pub(crate) journal: Journal,
    pub(crate) limits: ApiLimits,
    pub(crate) room: Room,
    pub(crate) metrics: Metrics,
    pub(crate) gateway: RwLock<Arc<Gateway>>,
    pub(crate) host_keys: HostKeys,
    /// The jobs of schedulers that run elsewhere.
    pub(crate) calls: Calls,
}

impl FromRef<Arc<Api>> for Front {
    fn from_ref(api: &Arc<Api>) -> Self {
        api.front.clone()
    }
}

impl Api {
    /// What speaks to devices now. A session ends with the one that it began with.
    pub(crate) fn gateway(&self) -> Arc<Gateway> {
        self.gateway.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Host keys seen at the first contact with addresses that are in no inventory. They hold as long as the process does.
#[derive(Default)]
pub(crate) struct HostKeys(Mutex<HashMap<(String, u16), HostKey>>);

impl HostKeys {
    pub(crate) fn of(&self, address: &str, port: u16) -> Option<HostKey> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&(address.to_owned(), port)).cloned()
    }

    pub(crate) fn learn(&self, address: &str, port: u16, key: HostKey) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < REMEMBERED_KEYS {
            known.entry((address.to_owned(), port)).or_insert(key);
        }
    }
}
