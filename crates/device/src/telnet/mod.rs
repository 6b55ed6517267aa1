//! Telnet to devices (RFC 854): connect, agree on options, carry text.
//!
//! [`TelnetParser`] is the protocol without IO; the line around it owns the socket. Nobody proves who they are here: the
//! login is a dialogue of the session, see `netraven_platform::Plan::asks_login`.

mod line;
mod options;
mod parser;

pub(crate) use line::TelnetLine;
pub use parser::TelnetParser;
