//! Shows the settings in force, secrets masked.

use super::effective::{Effective, Setting};
use serde_json::{Value, json};
use std::fmt::Write;

/// As YAML that can be read back, with each value's origin as a comment.
pub fn to_yaml(effective: &Effective) -> String {
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    for setting in &effective.settings {
        let mut segments: Vec<&str> = setting.key.path.split('.').collect();
        let name = segments.pop().unwrap_or_default();
        let common = open.iter().zip(&segments).take_while(|(a, b)| a == b).count();
        for (depth, section) in segments.iter().enumerate().skip(common) {
            lines.push((format!("{}{section}:", "  ".repeat(depth)), String::new()));
        }
        let line = format!("{}{name}: {}", "  ".repeat(segments.len()), scalar(setting));
        lines.push((line, setting.origin.to_string()));
        open = segments;
    }
    let width = lines.iter().map(|(line, _)| line.chars().count()).filter(|width| *width <= 60).max();
    let mut yaml = heading(effective);
    for (line, origin) in lines {
        let pad = width.unwrap_or(0).saturating_sub(line.chars().count());
        let comment =
            if origin.is_empty() { String::new() } else { format!("{}  # {origin}", " ".repeat(pad)) };
        // Writing to a String cannot fail.
        let _ = writeln!(yaml, "{line}{comment}");
    }
    yaml
}

/// As one JSON object: `environment`, `file`, `warnings`, and per key its `value` and `origin`.
pub fn to_json(effective: &Effective) -> Value {
    let settings: serde_json::Map<String, Value> = effective
        .settings
        .iter()
        .map(|setting| {
            let value = json!({"value": shown(setting), "source": setting.origin, "text": setting.origin.to_string()});
            (setting.key.path.to_owned(), value)
        })
        .collect();
    json!({
        "environment": effective.environment,
        "file": effective.file,
        "warnings": effective.warnings,
        "settings": settings,
    })
}

fn heading(effective: &Effective) -> String {
    let file = effective.file.as_ref().map(|file| file.display().to_string());
    format!("# environment {}: {}\n", effective.environment, file.as_deref().unwrap_or("built-in file"))
}

fn shown(setting: &Setting) -> Value {
    match &setting.value {
        Some(Value::String(text)) => setting.key.kind.shown(text).into(),
        Some(value @ Value::Object(_)) => setting.key.kind.shown(&value.to_string()).into(),
        Some(value) => value.clone(),
        None => Value::Null,
    }
}

/// A plain scalar where YAML reads it back as the same text, else one in double quotes as in JSON.
fn scalar(setting: &Setting) -> String {
    let value = shown(setting);
    match &value {
        Value::String(text) if is_plain(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_plain(text: &str) -> bool {
    let starts_as_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let safe = text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./@+=?&:*%".contains(c));
    let special = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    starts_as_word && safe && !text.ends_with(':') && !special.contains(&text.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::super::{Sources, sources_for_tests};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_effective_configuration_is_shown_with_origins_and_without_secrets() {
        let sources = sources_for_tests(&[
            ("DATABASE_URL", "postgresql+asyncpg://raven:canary-1@db.example.net/netraven"),
            ("API_KEY", "canary-2"),
        ]);
        let effective = Effective::load(&sources).unwrap();
        let yaml = to_yaml(&effective);
        assert!(!yaml.contains("canary"), "{yaml}");
        assert!(!to_json(&effective).to_string().contains("canary"));
        insta::assert_snapshot!(yaml);
    }

    #[test]
    fn json_holds_every_key_with_its_value_and_source() {
        let effective = Effective::load(&sources_for_tests(&[("LOG_LEVEL", "DEBUG")])).unwrap();
        let json = to_json(&effective);
        assert_eq!(json["environment"], "prod");
        let level = json!({
            "value": "debug",
            "source": {"origin": "environment", "variable": "LOG_LEVEL"},
            "text": "environment variable LOG_LEVEL",
        });
        assert_eq!(json["settings"]["logging.level"], level);
        assert_eq!(json["settings"]["retry.attempts"]["value"], 3);
    }

    /// Loads a printed configuration as an environment's file of its own.
    fn reload(yaml: &str, sources: &mut Sources) -> Effective {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("again.yaml"), yaml).unwrap();
        sources.variables.clear();
        sources.overrides.environment = Some("again".into());
        sources.overrides.config_dir = Some(folder.path().to_owned());
        Effective::load(sources).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_printed_can_be_read_back(
            name in "[ -~äß€#:'\"\\\\]{0,20}[a-z]",
            folder in "(/?[ -~]{1,12}){1,3}x",
            attempts in 1u64..=100,
            level in "error|warn|info|debug|trace",
        ) {
            let mut sources = sources_for_tests(&[]);
            for (key, value) in [
                ("service_name", name), ("platforms.dir", folder), ("logging.level", level),
                ("retry.attempts", attempts.to_string()),
            ] {
                sources.overrides.values.push((key.into(), value, "--set"));
            }
            let effective = Effective::load(&sources).unwrap();
            let again = reload(&to_yaml(&effective), &mut sources);
            for (before, after) in effective.settings.iter().zip(&again.settings) {
                prop_assert_eq!(&before.value, &after.value, "{}", before.key.path);
            }
        }
    }
}
