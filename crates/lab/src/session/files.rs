//! Files of a device, which are fetched beside the command line.

use super::error::{Problem, SessionError};
use super::load::Loader;
use super::placeholder::Scope;
use super::render::View;
use super::schema::RawFile;
use super::text::Text;
use super::{SessionFile, text::BadPlaceholder};
use bytes::Bytes;

/// A file of the device.
#[derive(Debug)]
pub(crate) struct DeviceFile {
    path: String,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Text(Text),
    Bytes(Bytes),
}

/// What stands for a file in the place of a command.
pub(super) fn file_label(path: &str) -> String {
    format!("file {path}")
}

impl SessionFile {
    /// Whether the device has files that can be fetched.
    pub fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// The content of a file of the device, at the moment of a view.
    pub(crate) fn file(&self, path: &str, view: &View<'_>) -> Option<Bytes> {
        let file = self.files.iter().find(|file| file.path == path)?;
        Some(match &file.content {
            Content::Bytes(bytes) => bytes.clone(),
            // On the wire of a terminal lines end otherwise than in a file.
            Content::Text(text) => view.string(text).replace("\r\n", "\n").into(),
        })
    }
}

impl Loader<'_> {
    pub(super) fn device_file(&self, raw: &RawFile) -> Result<DeviceFile, SessionError> {
        let content = match (&raw.text, &raw.file, &raw.binary) {
            (Some(text), None, None) => Content::Text(self.text(text, Scope::Text)?),
            (None, Some(name), None) => {
                let parsed = Text::parse(&self.file_named(name)?, Scope::Text);
                Content::Text(parsed.map_err(|BadPlaceholder { line, name: placeholder }| {
                    self.error(&name.value, Some(line), Problem::Placeholder(placeholder))
                })?)
            }
            (None, None, Some(name)) => Content::Bytes(self.bytes_named(name)?.into()),
            _ => return Err(self.at(&raw.path, Problem::FileContent(raw.path.value.clone()))),
        };
        Ok(DeviceFile { path: raw.path.value.clone(), content })
    }
}
