use super::render::View;
use super::schema::Fact;
use super::text::Text;
use netraven_model::Facts;

/// What a backup of one device must find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Per command, what its text must contain.
    pub parts: Vec<ExpectedPart>,
    /// Secrets that must not be stored in clear.
    pub secrets: Vec<String>,
    /// What the device tells about itself.
    pub facts: Facts,
}

/// What the answer to one command must contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedPart {
    /// The command.
    pub command: String,
    /// Lines that must be there, whole.
    pub contains: Vec<String>,
    /// Beginnings of the lines that vary from poll to poll, or with each change, without meaning.
    pub volatile: Vec<String>,
}

/// The same, before it is filled in for a device.
#[derive(Debug, Default)]
pub(super) struct ExpectTexts {
    pub(super) parts: Vec<PartTexts>,
    pub(super) secrets: Vec<Text>,
    pub(super) facts: Vec<(Fact, Text)>,
}

#[derive(Debug)]
pub(super) struct PartTexts {
    pub(super) command: String,
    pub(super) contains: Vec<Text>,
    pub(super) volatile: Vec<Text>,
}

impl ExpectTexts {
    pub(super) fn render(&self, view: &View<'_>) -> Expectation {
        let strings = |texts: &[Text]| texts.iter().map(|text| view.string(text)).collect();
        let mut facts = Facts::default();
        for (fact, text) in &self.facts {
            *field(&mut facts, *fact) = Some(view.string(text));
        }
        let part = |part: &PartTexts| ExpectedPart {
            command: part.command.clone(),
            contains: strings(&part.contains),
            volatile: strings(&part.volatile),
        };
        Expectation { parts: self.parts.iter().map(part).collect(), secrets: strings(&self.secrets), facts }
    }
}

fn field(facts: &mut Facts, fact: Fact) -> &mut Option<String> {
    match fact {
        Fact::Hostname => &mut facts.hostname,
        Fact::Model => &mut facts.model,
        Fact::SerialNumber => &mut facts.serial_number,
        Fact::SoftwareVersion => &mut facts.software_version,
        Fact::ChangedBy => &mut facts.changed_by,
        Fact::ChangedAt => &mut facts.changed_at,
    }
}
