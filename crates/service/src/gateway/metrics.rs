//! Numbers for Prometheus and for `/status`.

use crate::http::metrics::{Labels, RequestMetrics};
use netraven_model::ErrorCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What a session is counted under whose platform was not found out.
pub(crate) const NO_PLATFORM: &str = "unknown";

/// How a session with a device ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Successful,
    Failed(ErrorCode),
    Cancelled,
}

/// All numbers. Labels come from closed sets, so that callers cannot make their number grow.
pub(crate) struct Metrics {
    registry: Registry,
    sessions: Family<Labels<2>, Counter>,
    pub(crate) active: Gauge,
    waiting: Gauge,
    lost_logs: Gauge,
    idle: Gauge,
    /// Calls whose caller went away.
    pub(crate) cancelled: Counter,
}

impl Metrics {
    pub(crate) fn new(requests: &RequestMetrics) -> Self {
        let mut registry = Registry::with_prefix("netraven_gateway");
        requests.register(&mut registry);
        let (sessions, active, waiting) = (Family::default(), Gauge::default(), Gauge::default());
        let lost_logs = Gauge::default();
        registry.register("sessions", "Calls of devices by platform and how they ended", sessions.clone());
        registry.register("active_sessions", "Devices spoken to now", active.clone());
        registry.register("waiting_requests", "Requests that wait for room", waiting.clone());
        registry.register("lost_session_logs", "Logs of sessions that were lost", lost_logs.clone());
        let (idle, cancelled) = (Gauge::default(), Counter::default());
        registry.register("idle_sessions", "Sessions kept for reuse", idle.clone());
        Self { registry, sessions, active, waiting, lost_logs, idle, cancelled }
    }

    /// Counts one call of a device.
    pub(crate) fn session(&self, platform: &str, ended: Ended) {
        let outcome = match ended {
            Ended::Successful => "success",
            Ended::Failed(code) => code.as_str(),
            Ended::Cancelled => {
                self.cancelled.inc();
                "cancelled"
            }
        };
        let labels = [("platform", platform.to_owned()), ("outcome", outcome.to_owned())];
        self.sessions.get_or_create(&Labels(labels)).inc();
    }

    /// Everything in the OpenMetrics text format.
    pub(crate) fn text(
        &self,
        waiting: usize,
        idle: usize,
        lost_logs: u64,
    ) -> Result<String, std::fmt::Error> {
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.idle.set(i64::try_from(idle).unwrap_or(i64::MAX));
        self.lost_logs.set(i64::try_from(lost_logs).unwrap_or(i64::MAX));
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
