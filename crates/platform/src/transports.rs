//! What a family is spoken to over: protocols in order, each with the port where the family listens.

use crate::http::Http;
use netraven_model::Protocol;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

/// One way to speak to a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport {
    /// The protocol.
    pub protocol: Protocol,
    /// The TCP port of devices that are given none.
    pub port: u16,
}

/// As written: `[ssh, {telnet: 2023}, http]`, or a mapping of protocols to ports. A protocol without a port has its usual one.
#[derive(Clone, Debug, Default)]
pub(crate) struct TransportsForm(Vec<(Protocol, Option<u16>)>);

impl<'de> Deserialize<'de> for TransportsForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Form { within_list: false })
    }
}

/// Reads the whole field, or one item of its list.
struct Form {
    within_list: bool,
}

impl<'de> Visitor<'de> for Form {
    type Value = TransportsForm;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.within_list {
            true => "ssh, telnet or http, or one of them with its port",
            false => "a list of ssh, telnet and http, or a mapping of them to ports",
        })
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
        match self.within_list {
            true => Ok(TransportsForm(vec![(protocol(word)?, None)])),
            false => Err(E::invalid_type(serde::de::Unexpected::Str(word), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some((word, port)) = map.next_entry::<String, Option<u16>>()? {
            if port == Some(0) {
                return Err(A::Error::custom(format!("{word}: expected a TCP port from 1 to 65535")));
            }
            all.push((protocol(&word)?, port));
        }
        Ok(TransportsForm(all))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        if self.within_list {
            return Err(A::Error::invalid_type(serde::de::Unexpected::Seq, &self));
        }
        let mut all = Vec::new();
        while let Some(item) = list.next_element::<Item>()? {
            all.extend(item.0.0);
        }
        Ok(TransportsForm(all))
    }
}

struct Item(TransportsForm);

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Form { within_list: true }).map(Self)
    }
}

fn protocol<E: Error>(word: &str) -> Result<Protocol, E> {
    Protocol::from_name(word)
        .ok_or_else(|| E::custom(format!("transports: expected ssh, telnet or http, found '{word}'")))
}

/// The transports in order, SSH and Telnet where none are named, and HTTP where the definition says how.
///
/// # Errors
/// What is wrong, with its line.
pub(crate) fn compile_transports(
    form: Option<Spanned<TransportsForm>>,
    http: Option<&Http>,
) -> Result<Vec<Transport>, (u64, String)> {
    let line = form.as_ref().map_or(0, |form| form.defined.line());
    let wrong = |problem: &str| (line, format!("transports: {problem}"));
    let usual = || {
        let of_http = http.map(|_| (Protocol::Http, None));
        [(Protocol::Ssh, None), (Protocol::Telnet, None)].into_iter().chain(of_http).collect()
    };
    let wanted: Vec<_> = form.map_or_else(usual, |form| form.value.0);
    let mut transports: Vec<Transport> = Vec::new();
    for (protocol, port) in wanted {
        if transports.iter().any(|known| known.protocol == protocol) {
            return Err(wrong(&format!("'{}' is named twice", protocol.as_str())));
        }
        let of_http = http.filter(|_| protocol == Protocol::Http);
        if protocol == Protocol::Http && of_http.is_none() {
            return Err(wrong("'http' needs the section `http`, which says how"));
        }
        if let (Some(_), Some(Http { port: Some(_), .. })) = (port, of_http) {
            return Err(wrong("the port of 'http' stands in the section `http`, too: one is enough"));
        }
        let port = port.or(of_http.map(Http::usual_port)).unwrap_or(protocol.default_port());
        transports.push(Transport { protocol, port });
    }
    if transports.is_empty() {
        return Err(wrong("expected at least one"));
    }
    if http.is_some() && !transports.iter().any(|known| known.protocol == Protocol::Http) {
        return Err(wrong("the section `http` is there, but 'http' is not named"));
    }
    Ok(transports)
}
