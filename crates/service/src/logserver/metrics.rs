//! Numbers for Prometheus.

use crate::http::metrics::RequestMetrics;
use crate::joblog::JobLogCounters;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// All numbers of the service.
pub(crate) struct Metrics {
    registry: Registry,
    /// Events and dialogues that callers were told to be safe.
    pub(crate) accepted: Counter,
    /// Texts in which something was taken out.
    pub(crate) redacted: Counter,
    /// Those who followed and were too slow.
    pub(crate) cut: Counter,
    following: Gauge,
    queued: Gauge,
    spooled: Gauge,
    written: Gauge,
    dropped: Gauge,
}

impl Metrics {
    pub(crate) fn new(requests: &RequestMetrics) -> Self {
        let mut registry = Registry::with_prefix("netraven_joblog");
        requests.register(&mut registry);
        let counters = [
            ("accepted_rows", "Events and dialogues that were accepted"),
            ("redacted_texts", "Texts in which something was taken out"),
            ("cut_readers", "Those who followed and were too slow"),
        ];
        let [accepted, redacted, cut] = counters.map(|(name, help)| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        });
        let gauges = [
            ("readers", "Those who follow the log or a run now"),
            ("queued_rows", "Rows in memory now"),
            ("spooled_rows", "Rows on the disk now, because the database was away"),
            ("written_rows", "Rows written to the database since the start"),
            ("dropped_rows", "Rows lost since the start"),
        ];
        let [following, queued, spooled, written, dropped] = gauges.map(|(name, help)| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        });
        Self { registry, accepted, redacted, cut, following, queued, spooled, written, dropped }
    }

    /// Everything in the OpenMetrics text format.
    pub(crate) fn text(&self, following: usize, rows: JobLogCounters) -> Result<String, std::fmt::Error> {
        let set = |gauge: &Gauge, value: u64| gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        set(&self.following, following as u64);
        set(&self.queued, rows.queued);
        set(&self.spooled, rows.spooled);
        set(&self.written, rows.written);
        set(&self.dropped, rows.dropped);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
