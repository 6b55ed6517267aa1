//! Numbers of requests for Prometheus.

use prometheus_client::encoding::{EncodeLabel, EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

/// What the text format calls itself.
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Bounds of the classes of durations, in seconds.
const SECONDS: [f64; 12] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0];

/// Names and values of a few labels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Labels<const N: usize>(pub(crate) [(&'static str, String); N]);

impl<const N: usize> EncodeLabelSet for Labels<N> {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.iter().try_for_each(|(name, value)| (*name, value.as_str()).encode(encoder.encode_label()))
    }
}

/// How many requests there were, and how long they took. Labels come from closed sets, so that callers cannot make their
/// number grow.
pub(crate) struct RequestMetrics {
    requests: Family<Labels<3>, Counter>,
    durations: Family<Labels<1>, Histogram, fn() -> Histogram>,
}

impl RequestMetrics {
    pub(super) fn new() -> Self {
        let durations: Family<_, _, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(SECONDS));
        Self { requests: Family::default(), durations }
    }

    /// Has a service show them among its own.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("requests", "Requests by route, method and status", self.requests.clone());
        registry.register("request_seconds", "Time until the answer began, by route", self.durations.clone());
    }

    /// Counts one request.
    pub(super) fn request(&self, route: &str, method: &str, status: u16, took: Duration) {
        let labels =
            [("route", route.to_owned()), ("method", method.to_owned()), ("status", status.to_string())];
        self.requests.get_or_create(&Labels(labels)).inc();
        self.durations.get_or_create(&Labels([("route", route.to_owned())])).observe(took.as_secs_f64());
    }
}
