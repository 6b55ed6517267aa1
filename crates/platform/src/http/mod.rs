//! Families that are spoken to over HTTP: what their definitions declare, and the session without IO.
//!
//! An [`HttpExchange`] is to HTTP what [`crate::Machine`] is to a command line: it says which request comes next and gets the
//! answer, and ends with the same [`crate::Report`].

mod exchange;
pub(crate) mod form;
mod json;
mod judge;
mod place;
mod template;
mod xml;

pub use exchange::{HttpExchange, HttpNext};
pub use form::Method;
pub(crate) use place::Place;
pub(crate) use template::{Escape, Template, Values, Variable};

use crate::Part;
use regex::bytes::Regex;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// How a family is spoken to over HTTP.
#[derive(Debug)]
pub struct Http {
    /// Whether TLS lies beneath it.
    pub tls: bool,
    /// Where the family listens, when it is not the protocol's own port.
    pub(crate) port: Option<u16>,
    /// What a backup brings, in order.
    pub parts: Arc<[Part]>,
    /// Whether every request has user name and password (RFC 7617).
    pub(crate) basic: bool,
    pub(crate) headers: Vec<(String, Template)>,
    pub(crate) login: Option<Request>,
    pub(crate) command: Option<Request>,
    pub(crate) logout: Option<Request>,
    pub(crate) rejected: Vec<Regex>,
}

impl Http {
    /// What has to be asked to see whether the device accepts a credential, which a family without a login of its own judges
    /// with each request; `None` where the login tells.
    pub fn proof_of_login(&self) -> Option<&Part> {
        let needed = || self.parts.iter().find(|part| !part.optional).or(self.parts.first());
        if self.login.is_none() { needed() } else { None }
    }

    /// Where the family listens: 443, or 80 without TLS, where the definition names no port.
    pub(crate) fn usual_port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { 443 } else { 80 })
    }
}

/// One request of a definition.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub method: Method,
    /// Path and query.
    pub target: Template,
    pub headers: Vec<(String, Template)>,
    pub body: Option<Template>,
    pub answer: Place,
}

impl Request {
    /// What is filled in, wherever it stands.
    pub(crate) fn variables(&self) -> impl Iterator<Item = Variable> + '_ {
        let headers = self.headers.iter().map(|(_, value)| value);
        headers.chain(&self.body).chain([&self.target]).flat_map(Template::variables)
    }
}

/// A request to be sent. All of it may hold secrets, the target apart.
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// Path and query, as they stand in the request's first line.
    pub target: String,
    /// Names and values.
    pub headers: Vec<(String, Zeroizing<Vec<u8>>)>,
    /// Empty where the request has none.
    pub body: Zeroizing<Vec<u8>>,
    /// The longest silence before the answer and inside it.
    pub silence: Duration,
    /// When the session ends at the latest.
    pub until: Instant,
    /// The largest answer in bytes, before and after it is unpacked.
    pub max_output: usize,
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({} bytes)", self.method, self.target, self.body.len())
    }
}

/// What came, complete and unpacked.
#[derive(Default)]
pub struct HttpAnswer {
    /// Status (RFC 9110, section 15).
    pub status: u16,
    /// Names, in any case, and values.
    pub headers: Vec<(String, Zeroizing<String>)>,
    /// The content.
    pub body: Zeroizing<Vec<u8>>,
}

impl HttpAnswer {
    fn header(&self, wanted: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.as_str())
    }

    /// The value of a cookie that the answer sets (RFC 6265, section 4.1).
    fn cookie(&self, wanted: &str) -> Option<&str> {
        let set = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        set.filter_map(|(_, value)| value.split(';').next()?.split_once('='))
            .find(|(name, _)| name.trim() == wanted)
            .map(|(_, value)| value.trim().trim_matches('"'))
    }
}

impl fmt::Debug for HttpAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpAnswer({}, {} bytes)", self.status, self.body.len())
    }
}

impl Method {
    /// As in the request's first line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
