//! What NetRaven knows about device families, and the machine that talks to them.
//!
//! Everything here is synchronous and pure: definitions are data, the session machine gets bytes and
//! a time and answers with what to send or until when to wait. Sockets live in the `device` crate.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod compile;
mod definition;
mod dialogue;
mod exchange;
mod file;
mod finder;
mod http;
mod inspect;
mod machine;
mod one_or_more;
mod platform;
mod recognise;
mod redactor;
mod registry;
mod rules;
mod sources;
mod terminal;
mod text;
mod transfer;
mod transports;

pub use exchange::{Exchange, Task};
pub use file::{Fetched, FileProtocol, FileRequest};
pub use http::{Http, HttpAnswer, HttpExchange, HttpNext, HttpRequest, Method};
pub use inspect::Prompt;
pub use machine::{CommandRecord, Limits, Machine, Next, Output, Plan, Report};
pub use platform::{Part, Platform, Spans};
pub use recognise::{AUTO, NotRecognised};
pub use redactor::{DEFAULT_PATTERNS, PatternError, Redactor, hide_own};
pub use registry::{LoadError, Platforms};
pub use rules::{Fired, Owner, Rule};
pub use terminal::Terminal;
pub use transfer::{Opening, Transfer, TransferNext};
pub use transports::Transport;
