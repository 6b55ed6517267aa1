use netraven_platform::Platforms;
use std::sync::{Arc, PoisonError, RwLock};

/// The platform definitions in use. They may be replaced while sessions run; each session ends with those it began with.
/// Clones share them.
#[derive(Clone, Debug)]
pub struct Definitions(Arc<RwLock<Arc<Platforms>>>);

impl Definitions {
    /// Those to begin with.
    pub fn new(platforms: Arc<Platforms>) -> Self {
        Self(Arc::new(RwLock::new(platforms)))
    }

    /// Those in use now.
    pub fn current(&self) -> Arc<Platforms> {
        // A single assignment leaves nothing half-done behind.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes others for all sessions that begin from now on.
    pub fn replace(&self, platforms: Arc<Platforms>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = platforms;
    }
}
