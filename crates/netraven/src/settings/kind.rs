//! What the value of a setting may be.

use netraven_device::Networks;
use netraven_platform::Redactor;
use netraven_service::{Aliases, Gateways};
use serde_json::Value;

/// The kinds of values.
#[derive(Debug)]
pub enum Kind {
    /// Any text on one line that is not empty.
    Text,
    /// A file or folder.
    Path,
    /// A whole number within bounds, both included.
    Whole {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// One of some words.
    Choice(&'static [&'static str]),
    /// How much is logged.
    Level,
    /// Where a PostgreSQL server is; may hold a password.
    DatabaseUrl,
    /// Never shown.
    Secret,
    /// A list of redaction patterns: separated by commas, or as a JSON list.
    Patterns,
    /// A list of networks and addresses, in the same forms.
    Networks,
    /// A program and its arguments: separated by blanks, or as a JSON list; no shell reads it.
    Command,
    /// Aliases of passwords that are somewhere else, as a JSON object.
    References,
    /// Gateways elsewhere, as a JSON object; may hold their keys.
    Gateways,
}

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];
const SCHEMES: [&str; 4] = ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg2"];

/// What is expected of gateways.
const GATEWAYS: &str =
    "gateways, each with url, and key or key_file; sites, ca_file, max_sessions where needed";

/// What stands in place of a secret.
pub const MASK: &str = "***";

impl Kind {
    /// Reads a value from its text, or says what was expected.
    pub fn parse(&self, text: &str) -> Result<Value, String> {
        let expected = || self.expected();
        match self {
            Self::Text | Self::Path | Self::Secret => {
                let one_line = !text.trim().is_empty() && !text.contains(char::is_control);
                one_line.then(|| text.into()).ok_or_else(expected)
            }
            Self::Whole { min, max } => {
                let digits = text.bytes().all(|byte| byte.is_ascii_digit());
                let number =
                    text.parse::<u64>().ok().filter(|number| digits && (min..=max).contains(&number));
                number.map(Value::from).ok_or_else(expected)
            }
            Self::Choice(words) => {
                words.iter().find(|word| **word == text).map(|word| (*word).into()).ok_or_else(expected)
            }
            Self::Level => level(text).map(Value::from).ok_or_else(expected),
            Self::DatabaseUrl => {
                let scheme = text.split_once("://").map(|(scheme, _)| scheme);
                let known = scheme.is_some_and(|scheme| SCHEMES.contains(&scheme));
                (known && !text.contains(char::is_control)).then(|| text.into()).ok_or_else(expected)
            }
            Self::Patterns => {
                let patterns = list(text).ok_or_else(expected)?;
                let checked = Redactor::new(&patterns).map(|_| patterns.into());
                checked.map_err(|error| format!("{} that can be used ({error})", self.expected()))
            }
            Self::Command => {
                let words = match text.trim_start().starts_with('[') {
                    true => list(text).ok_or_else(expected)?,
                    false => text.split_whitespace().map(str::to_owned).collect(),
                };
                let program = words.first().is_some_and(|program| !program.is_empty());
                if program { Ok(words.into()) } else { Err(expected()) }
            }
            Self::References => references(text)
                .and_then(|aliases| serde_json::to_value(aliases).map_err(|error| error.to_string())),
            Self::Gateways => {
                gateways(text).and_then(|some| serde_json::to_value(some).map_err(|error| error.to_string()))
            }
            Self::Networks => {
                let networks = list(text).ok_or_else(expected)?;
                let checked = Networks::new(&networks, &[]).map(|_| networks.into());
                checked.map_err(|error| format!("{} ({error})", self.expected()))
            }
        }
    }

    /// What is expected, for messages: "a whole number from 1 to 10".
    pub fn expected(&self) -> String {
        match self {
            Self::Text => "a text on one line".into(),
            Self::Path => "a path".into(),
            Self::Whole { min, max } => format!("a whole number from {min} to {max}"),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Level => format!("one of {}", LEVELS.join(", ")),
            Self::DatabaseUrl => "a URL such as postgresql://user:password@host:5432/netraven".into(),
            Self::Secret => "a text on one line (not shown here)".into(),
            Self::Patterns => "a list of redaction patterns".into(),
            Self::Networks => "a list of networks such as 10.0.0.0/8".into(),
            Self::Command => "a program and its arguments".into(),
            Self::References => "aliases, each with exec, env or file".into(),
            Self::Gateways => GATEWAYS.into(),
        }
    }

    /// The value as it may be shown: secrets masked, also a password inside a URL.
    pub fn shown(&self, text: &str) -> String {
        match self {
            Self::Secret => MASK.into(),
            Self::DatabaseUrl => mask_url(text),
            Self::References => references(text).map_or_else(|_| MASK.into(), |aliases| names(&aliases)),
            Self::Gateways => gateways(text).map_or_else(|_| MASK.into(), |some| addresses(&some)),
            _ => text.to_owned(),
        }
    }

    /// Whether the value holds something that may not stand on a command line.
    pub fn is_secret(&self, text: &str) -> bool {
        self.shown(text) != text
    }
}

/// The items of a list: of a JSON list, which the file's reader makes of a YAML list, or separated by commas.
fn list(text: &str) -> Option<Vec<String>> {
    if text.trim_start().starts_with('[') {
        return serde_json::from_str(text).ok();
    }
    Some(text.split(',').map(|item| item.trim().to_owned()).collect())
}

/// Aliases that lead somewhere.
fn references(text: &str) -> Result<Aliases, String> {
    let aliases: Aliases =
        serde_json::from_str(text).map_err(|_| "aliases, each with exec, env or file".to_owned())?;
    for (alias, reference) in &aliases {
        let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if alias.is_empty() || alias.len() > 100 || !alias.chars().all(good) {
            return Err("aliases of letters, digits, '.', '_' and '-'".to_owned());
        }
        if let Some(problem) = reference.problem() {
            return Err(format!("aliases that lead somewhere ({alias}: {problem})"));
        }
    }
    Ok(aliases)
}

/// Gateways that can be used. What is wrong is said without a value: it may be a key.
fn gateways(text: &str) -> Result<Gateways, String> {
    let gateways: Gateways = serde_json::from_str(text).map_err(|_| GATEWAYS.to_owned())?;
    for (name, gateway) in &gateways {
        let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > 100 || !name.chars().all(good) {
            return Err("names of gateways of letters, digits, '.', '_' and '-'".to_owned());
        }
        if let Some(problem) = gateway.problem() {
            return Err(format!("gateways that can be used ({name}: {problem})"));
        }
    }
    Ok(gateways)
}

/// Names and addresses, without keys.
fn addresses(gateways: &Gateways) -> String {
    let shown: Vec<_> = gateways.iter().map(|(name, gateway)| format!("{name} ({})", gateway.url)).collect();
    shown.join(", ")
}

/// Names and kinds: what an alias says may be nobody's business.
fn names(aliases: &Aliases) -> String {
    let names: Vec<_> =
        aliases.iter().map(|(alias, reference)| format!("{alias} ({})", reference.kind())).collect();
    names.join(", ")
}

/// The level meant; other programs' words for the same are understood, in any case.
fn level(text: &str) -> Option<&'static str> {
    let word = match text.to_ascii_lowercase().as_str() {
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        "notset" => "trace".to_owned(),
        other => other.to_owned(),
    };
    LEVELS.into_iter().find(|level| *level == word)
}

/// The URL with its password masked; a text that is no URL is masked whole.
///
/// The last `@` counts as the end of the password, so that one with an unescaped `/` or `@` is hidden too.
pub fn mask_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return MASK.into() };
    let masked = match rest.rsplit_once('@') {
        Some((user, host)) => {
            let name = user.split(':').next().unwrap_or_default();
            let password = if user.contains(':') { format!(":{MASK}") } else { String::new() };
            format!("{name}{password}@{host}")
        }
        None => rest.to_owned(),
    };
    let (place, query) = masked.split_once('?').unwrap_or((&masked, ""));
    let pairs: Vec<String> = query.split('&').map(mask_pair).collect();
    let mark = if masked.contains('?') { "?" } else { "" };
    format!("{scheme}://{place}{mark}{}", pairs.join("&"))
}

fn mask_pair(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("password") => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_numbers_are_digits_within_bounds() {
        let kind = Kind::Whole { min: 2, max: 10 };
        assert_eq!(kind.parse("2"), Ok(2.into()));
        assert_eq!(kind.parse("10"), Ok(10.into()));
        for bad in ["1", "11", "ten", "", "+3", "3.0", " 3", "99999999999999999999999"] {
            assert_eq!(kind.parse(bad), Err("a whole number from 2 to 10".into()), "{bad:?}");
        }
    }

    #[test]
    fn levels_are_understood_as_other_programs_write_them() {
        for (text, expected) in
            [("INFO", "info"), ("Warning", "warn"), ("CRITICAL", "error"), ("trace", "trace")]
        {
            assert_eq!(Kind::Level.parse(text), Ok(expected.into()));
        }
        assert_eq!(Kind::Level.parse("loud"), Err("one of error, warn, info, debug, trace".into()));
    }

    #[test]
    fn a_command_is_split_at_blanks_or_given_as_a_list_and_no_shell_reads_it() {
        let parse = |text: &str| Kind::Command.parse(text);
        assert_eq!(parse("/bin/kms  get 'a b'"), Ok(serde_json::json!(["/bin/kms", "get", "'a", "b'"])));
        assert_eq!(parse(r#"["/bin/kms", "get", "a b"]"#), Ok(serde_json::json!(["/bin/kms", "get", "a b"])));
        for bad in ["", " ", "[]", r#"[""]"#, "[1]"] {
            assert_eq!(parse(bad), Err("a program and its arguments".into()), "{bad:?}");
        }
    }

    #[test]
    fn lists_of_networks_are_checked_one_by_one() {
        let parse = |text: &str| Kind::Networks.parse(text);
        assert_eq!(parse("10.0.0.0/8, 2001:db8::1"), Ok(serde_json::json!(["10.0.0.0/8", "2001:db8::1"])));
        for (bad, names) in
            [("10.0.0.0/8, core", "'core'"), ("10.0.0.0/40", "'10.0.0.0/40'"), ("[1]", "a list")]
        {
            let error = parse(bad).unwrap_err();
            assert!(error.contains(names), "{error}");
        }
    }

    #[test]
    fn lists_of_patterns_are_checked_one_by_one() {
        let parse = |text: &str| Kind::Patterns.parse(text);
        assert_eq!(parse("secret, private key"), Ok(serde_json::json!(["secret", "private key"])));
        assert_eq!(parse(r#"["re:a,b", "c"]"#), Ok(serde_json::json!(["re:a,b", "c"])));
        assert_eq!(parse("[]"), Ok(serde_json::json!([])));
        for (bad, names) in
            [("secret,", "''"), ("fine, re:(", "'re:('"), ("[1]", "a list of"), ("[\"", "a list of")]
        {
            let error = parse(bad).unwrap_err();
            assert!(error.contains(names), "{error}");
        }
    }

    #[test]
    fn only_urls_of_postgresql_are_database_urls() {
        for good in ["postgres://h/d", "postgresql+asyncpg://u:p@h/d", "postgresql:///d?host=/run/pg"] {
            assert_eq!(Kind::DatabaseUrl.parse(good), Ok(good.into()));
        }
        for bad in ["mysql://h/d", "h/d", "", "postgres://h/d\n"] {
            assert!(Kind::DatabaseUrl.parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn passwords_inside_urls_are_masked_and_the_rest_is_kept() {
        for (url, shown) in [
            ("postgres://u:canary@h:5432/d", "postgres://u:***@h:5432/d"),
            ("postgres://u:can/ary@x@h/d", "postgres://u:***@h/d"),
            ("postgres://u@h/d", "postgres://u@h/d"),
            ("postgres:///d?host=/run/pg&password=canary&x=1", "postgres:///d?host=/run/pg&password=***&x=1"),
            ("u:canary@h", "***"),
        ] {
            assert_eq!(mask_url(url), shown);
        }
    }

    proptest! {
        #[test]
        fn no_password_survives_masking(password in "[!-~]{0,12}canary[!-~]{0,12}") {
            let shown = mask_url(&format!("postgres://u:{password}@host/db"));
            prop_assert!(!shown.contains("canary"), "{}", shown);
        }
    }
}
