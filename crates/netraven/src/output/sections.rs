//! Parts of a configuration one after the other.

use crate::changes::label;
use crate::context::Context;
use crate::error::Result;
use netraven_platform::Platform;
use netraven_seal::shorten;
use netraven_store::versions::Part;

/// What stands where the device has secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// Fingerprints; a terminal shows their first digits.
    Fingerprints,
    /// The secrets themselves.
    Revealed,
}

/// Prints parts with their texts; several of them each behind a line that names it. A file gets the exact bytes.
pub fn print(parts: &[(&Part, &[u8])], platform: &str, secrets: Secrets, context: &Context) -> Result {
    let several = parts.len() > 1;
    let platform = if several { context.platforms()?.get(platform) } else { None };
    for (part, text) in parts {
        let header = several.then(|| header(part, platform.as_deref()) + "\n");
        match context.output.width {
            None => {
                context.output.bytes(header.unwrap_or_default().as_bytes())?;
                context.output.bytes(text)?;
                if several && !text.ends_with(b"\n") {
                    context.output.bytes(b"\n")?;
                }
            }
            Some(_) => {
                header.map_or(Ok(()), |header| context.output.text(&header))?;
                match secrets {
                    Secrets::Fingerprints => context.output.text(&String::from_utf8_lossy(&shorten(text)))?,
                    Secrets::Revealed => context.output.text(&String::from_utf8_lossy(text))?,
                }
            }
        }
    }
    Ok(())
}

/// A comment of the device's configuration language, where its platform is known.
fn header(part: &Part, platform: Option<&Platform>) -> String {
    match platform {
        Some(platform) => platform.section(&part.name, part.context.as_deref(), &part.command),
        None => format!("# ---- {} ({}) ----", label(part), part.command),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netraven_model::PartKind;
    use netraven_platform::Platforms;

    #[test]
    fn a_part_is_named_by_a_comment_of_its_platform() {
        let part = Part {
            name: "running".into(),
            context: Some("v1".into()),
            command: "show running".into(),
            kind: PartKind::Config,
            content: Vec::new(),
            volatile: Vec::new(),
        };
        let ios = Platforms::shipped().unwrap().get("cisco_ios").unwrap();
        assert_eq!(header(&part, Some(&ios)), "! ---- running, v1 (show running) ----");
        assert_eq!(header(&part, None), "# ---- running [v1] (show running) ----");
    }
}
