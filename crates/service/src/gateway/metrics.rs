//! Numbers for Prometheus and for `/status`.

use netraven_model::ErrorCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

/// Bounds of the classes of durations, in seconds.
const SECONDS: [f64; 12] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0];
/// What a session is counted under whose platform was not found out.
pub(crate) const NO_PLATFORM: &str = "unknown";

/// Names and values of a few labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Labels<const N: usize>([(&'static str, String); N]);

impl<const N: usize> EncodeLabelSet for Labels<N> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.iter().try_for_each(|(name, value)| (*name, value.as_str()).encode(encoder.encode_label()))
    }
}

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
    requests: Family<Labels<3>, Counter>,
    durations: Family<Labels<1>, Histogram, fn() -> Histogram>,
    sessions: Family<Labels<2>, Counter>,
    pub(crate) active: Gauge,
    waiting: Gauge,
    lost_logs: Gauge,
    idle: Gauge,
    /// Calls whose caller went away.
    pub(crate) cancelled: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("netraven_gateway");
        let requests = Family::default();
        let durations: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(SECONDS));
        let (sessions, active, waiting) = (Family::default(), Gauge::default(), Gauge::default());
        let lost_logs = Gauge::default();
        registry.register("requests", "Requests by route, method and status", requests.clone());
        registry.register("request_seconds", "Time until the answer began, by route", durations.clone());
        registry.register("sessions", "Calls of devices by platform and how they ended", sessions.clone());
        registry.register("active_sessions", "Devices spoken to now", active.clone());
        registry.register("waiting_requests", "Requests that wait for room", waiting.clone());
        registry.register("lost_session_logs", "Logs of sessions that were lost", lost_logs.clone());
        let (idle, cancelled) = (Gauge::default(), Counter::default());
        registry.register("idle_sessions", "Sessions kept for reuse", idle.clone());
        Self { registry, requests, durations, sessions, active, waiting, lost_logs, idle, cancelled }
    }

    /// Counts one request.
    pub(crate) fn request(&self, route: &str, method: &str, status: u16, took: Duration) {
        let labels =
            [("route", route.to_owned()), ("method", method.to_owned()), ("status", status.to_string())];
        self.requests.get_or_create(&Labels(labels)).inc();
        self.durations.get_or_create(&Labels([("route", route.to_owned())])).observe(took.as_secs_f64());
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
