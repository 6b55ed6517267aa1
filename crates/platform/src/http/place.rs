//! Where in an answer it stands what is wanted.

use super::{HttpAnswer, json, xml};
use zeroize::Zeroizing;

/// Longest token: no server takes a header that is much longer.
const MAX_TOKEN: usize = 16 * 1024;

/// A place in an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// The body as it came.
    #[default]
    Body,
    /// The steps of a JSON pointer.
    Json(Vec<String>),
    /// Names of elements from the root on.
    Xml(Vec<String>),
    /// The value of a header.
    Header(String),
    /// The value of a cookie.
    Cookie(String),
}

/// Why it is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// The document breaks off.
    Cut(String),
    /// It is no such document.
    Malformed(String),
    /// The document is whole, but does not have it.
    Missing(String),
}

impl Place {
    /// Takes out what stands there.
    pub(super) fn take(&self, answer: &mut HttpAnswer) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let found = match self {
            Self::Body => return Ok(std::mem::take(&mut answer.body)),
            Self::Json(pointer) => json::find(&answer.body, pointer)?,
            Self::Xml(path) => xml::find(&answer.body, path)?,
            Self::Header(name) => {
                let value = answer.header(name);
                value.ok_or_else(|| Problem::Missing(format!("no header {name}")))?.as_bytes().to_vec()
            }
            Self::Cookie(name) => {
                let value = answer.cookie(name);
                value.ok_or_else(|| Problem::Missing(format!("no cookie {name}")))?.as_bytes().to_vec()
            }
        };
        Ok(Zeroizing::new(found))
    }

    /// Takes out a token: one word that can stand in a header.
    pub(super) fn token(&self, answer: &mut HttpAnswer) -> Result<Zeroizing<Vec<u8>>, String> {
        let token = self.take(answer).map_err(Problem::into_text)?;
        let token = Zeroizing::new(token.trim_ascii().to_vec());
        match token.len() {
            0 => Err("the token is empty".to_owned()),
            1..=MAX_TOKEN if token.iter().all(u8::is_ascii_graphic) => Ok(token),
            length => Err(format!("{length} bytes that are no token")),
        }
    }
}

impl Problem {
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Cut(what) | Self::Malformed(what) | Self::Missing(what) => what,
        }
    }
}
