use crate::gateway::state::Api;
use axum::Json;
use axum::extract::State;
use netraven_device::Counts;
use netraven_model::ErrorCode;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// What the gateway is doing. Where it shares its process with the scheduler, the scheduler's sessions are counted, too.
#[derive(Serialize, ToSchema)]
pub(super) struct Status {
    /// Sessions that are open or being opened.
    active_connections: usize,
    /// Commands that devices carried out.
    successful_commands: u64,
    /// Commands that devices refused, and requests that failed.
    failed_commands: u64,
    /// Requests whose caller went away.
    cancelled_commands: u64,
    /// Requests that wait for room, for a device or for a site.
    queued_jobs: usize,
    /// Sessions kept for reuse, and the bounds.
    pool: Pool,
    /// The same figures by platform.
    platforms: BTreeMap<String, PlatformFigures>,
    /// Since the start.
    uptime_seconds: u64,
    /// NetRaven's version.
    version: &'static str,
}

/// Sessions kept for reuse, and the bounds.
#[derive(Serialize, ToSchema)]
struct Pool {
    /// Sessions that are open and wait for the next request.
    idle: usize,
    /// As many are kept at most.
    max_idle: usize,
    /// Requests that may be carried out at the same time.
    max_active: usize,
    /// Requests that may wait for room.
    max_queued: usize,
}

/// How it went with one platform's devices.
#[derive(Serialize, ToSchema)]
struct PlatformFigures {
    /// Sessions begun.
    sessions: u64,
    /// Requests that found a session open already.
    reused: u64,
    /// Commands that devices carried out.
    successful_commands: u64,
    /// Commands that devices refused, and requests that failed.
    failed_commands: u64,
    /// Requests that failed, by error code.
    #[schema(value_type = Object)]
    failures: BTreeMap<ErrorCode, u64>,
}

impl From<Counts> for PlatformFigures {
    fn from(counts: Counts) -> Self {
        Self {
            sessions: counts.sessions,
            reused: counts.reused,
            successful_commands: counts.commands,
            failed_commands: counts.refused + counts.failures.values().sum::<u64>(),
            failures: counts.failures,
        }
    }
}

/// What the gateway is doing, in numbers.
#[utoipa::path(get, path = "/status", responses((status = 200, body = Status)))]
pub(super) async fn status(State(api): State<Arc<Api>>) -> Json<Status> {
    let gateway = api.gateway();
    let status = gateway.status();
    let platforms: BTreeMap<_, PlatformFigures> =
        status.platforms.into_iter().map(|(name, counts)| (name, counts.into())).collect();
    Json(Status {
        active_connections: status.active,
        successful_commands: platforms.values().map(|figures| figures.successful_commands).sum(),
        failed_commands: platforms.values().map(|figures| figures.failed_commands).sum(),
        cancelled_commands: api.metrics.cancelled.get(),
        queued_jobs: api.room.waiting() + status.waiting,
        pool: Pool {
            idle: status.idle,
            max_idle: gateway.settings().max_pool_size,
            max_active: api.limits.parallel,
            max_queued: api.limits.queue,
        },
        platforms,
        uptime_seconds: api.front.started.elapsed().as_secs(),
        version: env!("CARGO_PKG_VERSION"),
    })
}
