//! HTTP and HTTPS to devices: TLS, one connection at a time, bounded answers.
//!
//! `hyper` frames the messages; the connection beneath is made here, so that there is one place where a socket is opened
//! and one where a certificate is judged. What is asked, and what an answer means, is the [`HttpExchange`]'s.

mod body;
mod client;
mod connect;
mod failures;
#[cfg(feature = "legacy-tls")]
mod legacy;
mod redirect;
mod settings;
mod tls;

pub(crate) use client::Client;
pub use settings::HttpSettings;

use netraven_platform::{HttpExchange, HttpNext};
use std::time::Instant;

/// Runs a session until it is over. Every wait has a deadline.
pub(crate) async fn run(client: &mut Client, exchange: &mut HttpExchange) {
    while let HttpNext::Send(request) = exchange.next(Instant::now()) {
        match client.send(&request, exchange.phase()).await {
            Ok(answer) => exchange.answer(answer, Instant::now()),
            Err(failure) => exchange.broken(failure, Instant::now()),
        }
    }
}
