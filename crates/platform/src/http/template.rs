//! Texts with values to be filled in, each escaped for the place where it stands.

use netraven_model::Secret;
use std::fmt;
use zeroize::Zeroizing;

/// Most bytes that one byte of a value can become: `\u0000`, `&quot;`.
const LONGEST_ESCAPE: usize = 6;

/// What can be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    Username,
    Password,
    Token,
    Command,
}

impl Variable {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Username, "username"),
        (Self::Password, "password"),
        (Self::Token, "token"),
        (Self::Command, "command"),
    ];

    /// Whether it must never stand where servers and proxies write it down.
    pub(crate) fn is_secret(self) -> bool {
        matches!(self, Self::Password | Self::Token)
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(variable, _)| variable == self).map_or("", |(_, name)| name);
        write!(f, "{{{name}}}")
    }
}

/// The values of one request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    pub username: String,
    pub password: Option<Secret>,
    pub token: Option<Secret>,
    pub command: String,
}

impl Values {
    /// Those that nobody may see.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.password.iter().chain(&self.token)
    }

    fn bytes(&self, variable: Variable) -> &[u8] {
        match variable {
            Variable::Username => self.username.as_bytes(),
            Variable::Password => self.password.as_ref().map_or(b"", Secret::expose_bytes),
            Variable::Token => self.token.as_ref().map_or(b"", Secret::expose_bytes),
            Variable::Command => self.command.as_bytes(),
        }
    }
}

/// The language of the place where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// A segment of a path (RFC 3986, section 3.3).
    Path,
    /// A name or value of a form or query (RFC 3986, section 2.1); also what stands around the values.
    Form,
    /// Inside a string of JSON (RFC 8259, section 7).
    Json,
    /// Text or attribute of XML.
    Xml,
    /// A header: as it is, without control characters (RFC 9110, section 5.5).
    Header,
}

#[derive(Clone, Debug)]
enum Piece {
    Literal(Vec<u8>),
    Value(Variable, Escape),
}

/// A text with places for values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template(Vec<Piece>);

impl Template {
    /// Adds a text: `{username}`, `{password}`, `{token}` and `{command}` are places for values.
    ///
    /// # Errors
    /// Another word stands between braces.
    pub(crate) fn push(&mut self, text: &str, escape: Escape) -> Result<(), String> {
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            let (before, from) = rest.split_at(at);
            let word = from[1..].split_once('}').map(|(word, _)| word).filter(|word| is_word(word));
            let Some(word) = word else {
                self.literal(&rest[..=at], escape);
                rest = &rest[at + 1..];
                continue;
            };
            let known = Variable::ALL.iter().find(|(_, name)| *name == word);
            let Some((variable, _)) = known else {
                return Err(format!(
                    "'{{{word}}}' is none of {{username}}, {{password}}, {{token}} and {{command}}"
                ));
            };
            self.literal(before, escape);
            self.0.push(Piece::Value(*variable, escape));
            rest = &from[word.len() + 2..];
        }
        self.literal(rest, escape);
        Ok(())
    }

    /// Adds a text that has no places.
    pub(crate) fn raw(&mut self, text: &str) {
        self.0.push(Piece::Literal(text.as_bytes().to_vec()));
    }

    fn literal(&mut self, text: &str, escape: Escape) {
        let mut bytes = Vec::new();
        match escape {
            Escape::Form => percent(text.as_bytes(), &mut bytes),
            _ => bytes.extend_from_slice(text.as_bytes()),
        }
        self.0.push(Piece::Literal(bytes));
    }

    /// What is filled in.
    pub(crate) fn variables(&self) -> impl Iterator<Item = Variable> + '_ {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Value(variable, _) => Some(*variable),
            Piece::Literal(_) => None,
        })
    }

    /// The text around the values.
    pub(crate) fn literals(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Literal(bytes) => Some(bytes.as_slice()),
            Piece::Value(..) => None,
        })
    }

    /// The text with its values.
    ///
    /// # Errors
    /// A value cannot stand where it should.
    pub(crate) fn fill(&self, values: &Values) -> Result<Zeroizing<Vec<u8>>, String> {
        let size = |piece: &Piece| match piece {
            Piece::Literal(bytes) => bytes.len(),
            Piece::Value(variable, _) => values.bytes(*variable).len() * LONGEST_ESCAPE,
        };
        // Allocated once: a text that grows would leave copies of a secret behind.
        let mut text = Zeroizing::new(Vec::with_capacity(self.0.iter().map(size).sum()));
        for piece in &self.0 {
            match piece {
                Piece::Literal(bytes) => text.extend_from_slice(bytes),
                Piece::Value(variable, escape) => {
                    let value = values.bytes(*variable);
                    let problem = |what: &str| format!("the value of {variable} {what}");
                    match escape {
                        Escape::Path | Escape::Form => percent(value, &mut text),
                        Escape::Header if value.iter().any(u8::is_ascii_control) => {
                            return Err(problem("has control characters, which no header may have"));
                        }
                        Escape::Header => text.extend_from_slice(value),
                        Escape::Json | Escape::Xml if std::str::from_utf8(value).is_err() => {
                            return Err(problem("is not UTF-8"));
                        }
                        Escape::Json => json(value, &mut text),
                        Escape::Xml => xml(value, &mut text),
                    }
                }
            }
        }
        Ok(text)
    }
}

fn is_word(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn percent(value: &[u8], text: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(*byte),
            byte => text.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
}

fn json(value: &[u8], text: &mut Vec<u8>) {
    for byte in value {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', *byte]),
            0..=0x1f => text.extend(format!("\\u{byte:04x}").into_bytes()),
            byte => text.push(*byte),
        }
    }
}

fn xml(value: &[u8], text: &mut Vec<u8>) {
    for byte in value {
        match byte {
            b'&' => text.extend(b"&amp;"),
            b'<' => text.extend(b"&lt;"),
            b'>' => text.extend(b"&gt;"),
            b'"' => text.extend(b"&quot;"),
            b'\'' => text.extend(b"&#39;"),
            byte => text.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(text: &str, escape: Escape, password: &str) -> Result<String, String> {
        let mut template = Template::default();
        template.push(text, escape)?;
        let values = Values { password: Some(password.into()), username: "ops".into(), ..Values::default() };
        Ok(String::from_utf8(template.fill(&values)?.to_vec()).unwrap())
    }

    #[test]
    fn values_are_escaped_for_where_they_stand_and_what_is_around_them_is_not() {
        let nasty = "a\"b\\c<&>'/? é\n";
        assert_eq!(filled("/x/{password}/y", Escape::Path, "a/b?c").unwrap(), "/x/a%2Fb%3Fc/y");
        assert_eq!(filled("a b&{password}", Escape::Form, "c d&").unwrap(), "a%20b%26c%20d%26");
        let json = filled(r#"{"u":"{username}","p":["{password}"]}"#, Escape::Json, nasty).unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!((&value["u"], &value["p"][0]), (&"ops".into(), &nasty.into()));
        assert_eq!(filled("<p a='{password}'/>", Escape::Xml, "<'&").unwrap(), "<p a='&lt;&#39;&amp;'/>");
        assert_eq!(filled("Bearer {password}", Escape::Header, "x y").unwrap(), "Bearer x y");
        assert!(filled("{password}", Escape::Header, "x\r\nEvil: 1").unwrap_err().contains("control"));
        assert!(filled("{passwort}", Escape::Header, "").unwrap_err().contains("{passwort}"));
        assert_eq!(filled("{ {} {Password} {", Escape::Header, "").unwrap(), "{ {} {Password} {");
    }

    proptest! {
        #[test]
        fn no_value_leaves_its_string(value in "\\PC*") {
            let json = filled(r#"["{password}"]"#, Escape::Json, &value).unwrap();
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&json).unwrap(), vec![value.clone()]);
            let xml = filled("{password}", Escape::Xml, &value).unwrap();
            prop_assert!(!xml.contains(['<', '>', '"', '\'']));
        }
    }
}
