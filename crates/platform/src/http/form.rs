//! The section `http` of a `platform.yaml`, as it is written.

use crate::definition::{Compare, Text};
use netraven_model::PartKind;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// How the family is spoken to over HTTP.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpForm {
    #[serde(default)]
    pub scheme: Scheme,
    /// Where the family listens, when it is not the scheme's own port.
    pub port: Option<u16>,
    /// In front of every path.
    pub base: Option<Text>,
    #[serde(default)]
    pub auth: Auth,
    /// With every request behind the login.
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// A request whose answer has the token.
    pub login: Option<RequestForm>,
    /// How a command is run.
    pub command: Option<RequestForm>,
    /// Without them the parts of the command line are asked for through `command`.
    pub parts: Option<Vec<HttpPartForm>>,
    /// A request that ends the session.
    pub logout: Option<RequestForm>,
    /// What at the beginning of a body means that a request was not carried out, whatever the status says.
    #[serde(default)]
    pub rejected: Vec<Text>,
}

/// What lies beneath HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scheme {
    #[default]
    Https,
    Http,
}

/// How each request shows who asks, besides `headers`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Auth {
    #[default]
    None,
    /// User name and password (RFC 7617).
    Basic,
}

/// The methods there are: what only changes something is not among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    #[default]
    Get,
    /// Asks for something to be done.
    Post,
    /// Gives something back: a session.
    Delete,
}

/// One request.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestForm {
    #[serde(default)]
    pub method: Method,
    pub path: Text,
    #[serde(default)]
    pub query: BTreeMap<String, Text>,
    #[serde(default)]
    pub headers: BTreeMap<String, Text>,
    /// The body as JSON.
    pub json: Option<Value>,
    /// The body as a form's fields.
    pub form: Option<BTreeMap<String, Text>>,
    /// The body as XML.
    pub xml: Option<Text>,
    /// Where in the answer it stands what is wanted; without it, the body as a whole.
    pub answer: Option<PlaceForm>,
}

/// A place in an answer: exactly one of them.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PlaceForm {
    /// A JSON pointer (RFC 6901).
    pub json: Option<Text>,
    /// Names of elements from the root on, with `/` between them.
    pub xml: Option<Text>,
    /// A header's name.
    pub header: Option<Text>,
    /// A cookie's name.
    pub cookie: Option<Text>,
}

/// A part of the backup; its fields mean what they mean for a command line.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HttpPartForm {
    pub name: Text,
    pub kind: PartKind,
    /// Run through `command`.
    pub command: Option<String>,
    #[serde(default)]
    pub alternatives: Vec<String>,
    /// In the place of a command: the first one that the device does not refuse counts.
    #[serde(default)]
    pub requests: Vec<RequestForm>,
    #[serde(default)]
    pub optional: bool,
    pub end: Option<Text>,
    #[serde(default)]
    pub balanced_braces: bool,
    pub timeout_seconds: Option<u64>,
    pub compare: Option<Compare>,
}
