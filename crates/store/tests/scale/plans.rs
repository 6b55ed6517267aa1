//! The plans of the statements that the store really runs: the server's `auto_explain` sends each as a notice, and
//! the driver hands notices to `tracing`.

use serde_json::Value;
use std::fmt;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Settings of a server that tells how it executed each statement, those of triggers and functions included.
pub fn server_settings() -> Vec<(&'static str, String)> {
    [
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_level", "notice"),
        ("auto_explain.log_format", "json"),
        ("auto_explain.log_nested_statements", "on"),
        ("auto_explain.log_analyze", "on"),
        ("auto_explain.log_timing", "off"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

/// Collects plans on its thread until it is dropped.
pub struct Recorder {
    plans: Arc<Mutex<Vec<Plan>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Recorder {
    pub fn start() -> Self {
        let plans = Arc::default();
        let guard = tracing::subscriber::set_default(Notices(Arc::clone(&plans)));
        Self { plans, _guard: guard }
    }

    /// The plans since the last call.
    pub fn take(&self) -> Vec<Plan> {
        std::mem::take(&mut self.plans.lock().unwrap())
    }
}

/// One statement and how it was executed.
pub struct Plan {
    pub query: String,
    root: Value,
}

impl Plan {
    fn parse(notice: &str) -> Option<Self> {
        let json: Value = serde_json::from_str(&notice[notice.find('{')?..]).ok()?;
        Some(Self { query: json["Query Text"].as_str()?.to_owned(), root: json["Plan"].clone() })
    }

    /// Those tables that were read from end to end; empty ones, such as partitions of months to come, do not count.
    pub fn scanned(&self, counts: fn(&str) -> bool) -> Vec<&str> {
        let scans =
            tables(&self.root, counts).filter(|(_, node)| node["Node Type"] == "Seq Scan" && read(node) > 0);
        scans.map(|(table, _)| table).collect()
    }

    /// Rows that were read from those tables, also when they were then found not to fit.
    pub fn rows_read(&self, counts: fn(&str) -> bool) -> u64 {
        let scans = tables(&self.root, counts).filter(|(_, node)| node["Node Type"] != "ModifyTable");
        scans.map(|(_, node)| read(node)).sum()
    }
}

impl fmt::Display for Plan {
    /// The statement, and per node its kind, what it reads and how much.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.query.split_whitespace().collect::<Vec<_>>().join(" "))?;
        for node in nodes(&self.root) {
            write!(f, "    {}", node["Node Type"].as_str().unwrap_or_default())?;
            for name in ["Relation Name", "Index Name", "Index Cond", "Filter", "Actual Rows", "Actual Loops"]
            {
                if !node[name].is_null() {
                    // A condition may hold hundreds of ids.
                    write!(f, " | {name}: {:.120}", node[name].to_string())?;
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Rows that a node read, also those that did not fit.
fn read(node: &Value) -> u64 {
    let rows = ["Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck"];
    let each: f64 = rows.iter().filter_map(|name| node[*name].as_f64()).sum();
    (each * node["Actual Loops"].as_f64().unwrap_or(1.0)) as u64
}

/// The nodes that have to do with a table, and the table.
fn tables(root: &Value, counts: fn(&str) -> bool) -> impl Iterator<Item = (&str, &Value)> {
    let named = nodes(root).into_iter().filter_map(|node| Some((node["Relation Name"].as_str()?, node)));
    named.filter(move |(table, _)| counts(table))
}

/// The node and all below it.
fn nodes(node: &Value) -> Vec<&Value> {
    let below = node["Plans"].as_array().into_iter().flatten().flat_map(nodes);
    std::iter::once(node).chain(below).collect()
}

/// Keeps the driver's notices and nothing else.
struct Notices(Arc<Mutex<Vec<Plan>>>);

impl Subscriber for Notices {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::postgres::notice"
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().extend(Plan::parse(&message.0));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Message(String);

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
