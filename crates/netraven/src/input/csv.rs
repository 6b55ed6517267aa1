//! Inventories as CSV (RFC 4180): reading, with every wrong line named, and writing.

use super::{fields, transport};
use crate::nearest::{nearest, suggestion};
use csv::{ReaderBuilder, StringRecord, Trim};
use netraven_model::{Protocol, SshProfile};
use netraven_platform::Platforms;
use netraven_store::devices::{Device, NewDevice, Reach};
use std::collections::HashMap;
use std::fmt;

/// The columns, in the order in which they are written.
pub const COLUMNS: [&str; 10] = [
    "hostname",
    "ip_address",
    "device_type",
    "port",
    "site",
    "description",
    "tags",
    "protocol",
    "ssh_profile",
    "jump_host",
];

/// Those without which a line says nothing.
const REQUIRED: [&str; 3] = ["hostname", "ip_address", "device_type"];

/// A wrong line.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: u64,
    /// The column, where it is one's fault.
    pub field: Option<&'static str>,
    /// What was expected and found.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) => write!(f, "line {}: {field}: {}", self.line, self.message),
            None => write!(f, "line {}: {}", self.line, self.message),
        }
    }
}

/// Reads an inventory. Columns may come in any order; either every line is good or every wrong one is named.
pub fn read(content: &[u8], platforms: &Platforms) -> Result<Vec<NewDevice>, Vec<Problem>> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut reader = ReaderBuilder::new().flexible(true).trim(Trim::All).from_reader(content);
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => return Err(vec![unreadable(&error)]),
    };
    let columns = columns(&header)?;
    let (mut devices, mut problems, mut seen) = (Vec::new(), Vec::new(), HashMap::new());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                problems.push(unreadable(&error));
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        match device(&Line { columns: &columns, record: &record, line }, platforms) {
            Ok(device) => {
                if let Some(first) = seen.insert(device.hostname.clone(), line) {
                    let message = format!("'{}' stands in line {first} already", device.hostname);
                    problems.push(Problem { line, field: Some("hostname"), message });
                    seen.insert(device.hostname.clone(), first);
                }
                devices.push(device);
            }
            Err(mut wrong) => problems.append(&mut wrong),
        }
    }
    if problems.is_empty() { Ok(devices) } else { Err(problems) }
}

/// One device as it is written.
#[derive(Debug)]
pub struct Entry<'a> {
    hostname: &'a str,
    address: &'a str,
    platform: &'a str,
    port: Option<u16>,
    site: Option<&'a str>,
    description: Option<&'a str>,
    tags: &'a [String],
    protocol: Option<Protocol>,
    ssh_profile: Option<SshProfile>,
    jump_host: Option<&'a str>,
}

impl<'a> From<&'a Device> for Entry<'a> {
    fn from(device: &'a Device) -> Self {
        Self {
            hostname: &device.hostname,
            address: &device.ip_address,
            platform: &device.device_type,
            port: device.port,
            site: device.site.as_deref(),
            description: device.description.as_deref(),
            tags: &device.tags,
            protocol: Some(device.protocol),
            ssh_profile: device.ssh_profile,
            jump_host: device.jump_host.as_deref(),
        }
    }
}

impl<'a> From<&'a NewDevice> for Entry<'a> {
    fn from(device: &'a NewDevice) -> Self {
        Self {
            hostname: device.hostname.as_str(),
            address: &device.address,
            platform: &device.device_type,
            port: device.port,
            site: device.site.as_deref(),
            description: device.description.as_deref(),
            tags: &device.tags,
            protocol: device.reach.protocol,
            ssh_profile: device.reach.ssh_profile.flatten(),
            jump_host: device.reach.jump_host.as_deref(),
        }
    }
}

/// Writes devices so that [`read`] reads the same again.
pub fn write<'a, D: Into<Entry<'a>>>(devices: impl IntoIterator<Item = D>) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for device in devices {
        let entry = device.into();
        writer.write_record([
            entry.hostname,
            entry.address,
            entry.platform,
            &entry.port.map(|port| port.to_string()).unwrap_or_default(),
            entry.site.unwrap_or_default(),
            entry.description.unwrap_or_default(),
            &entry.tags.join(";"),
            entry.protocol.map_or("", Protocol::as_str),
            entry.ssh_profile.map_or("", SshProfile::as_str),
            entry.jump_host.unwrap_or_default(),
        ])?;
    }
    writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))
}

/// Which column stands where.
fn columns(header: &StringRecord) -> Result<Vec<&'static str>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut found: Vec<&'static str> = Vec::new();
    let mut wrong = |field, message| problems.push(Problem { line: 1, field, message });
    for name in header {
        let known = COLUMNS.into_iter().find(|column| column.eq_ignore_ascii_case(name));
        match known {
            Some(column) if found.contains(&column) => {
                wrong(Some(column), "the column stands there twice".into())
            }
            Some(column) => found.push(column),
            None => wrong(
                None,
                format!(
                    "unknown column '{name}'{} (known: {})",
                    suggestion(nearest(name, COLUMNS)),
                    COLUMNS.join(", ")
                ),
            ),
        }
    }
    for column in REQUIRED.into_iter().filter(|column| !found.contains(column)) {
        wrong(Some(column), "the column is missing in the first line, which names the columns".into());
    }
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

struct Line<'a> {
    columns: &'a [&'static str],
    record: &'a StringRecord,
    line: u64,
}

impl Line<'_> {
    /// The field of that column; empty where there is none.
    fn text(&self, column: &str) -> &str {
        let at = self.columns.iter().position(|name| *name == column);
        at.and_then(|at| self.record.get(at)).unwrap_or_default()
    }

    fn check<T>(
        &self,
        column: &'static str,
        problems: &mut Vec<Problem>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        parse(self.text(column))
            .map_err(|message| problems.push(Problem { line: self.line, field: Some(column), message }))
            .ok()
    }
}

fn device(line: &Line<'_>, platforms: &Platforms) -> Result<NewDevice, Vec<Problem>> {
    let mut problems = Vec::new();
    let (found, expected) = (line.record.len(), line.columns.len());
    if found != expected {
        let message = format!("expected {expected} fields as in the first line, found {found}");
        return Err(vec![Problem { line: line.line, field: None, message }]);
    }
    let optional = |text: &str| fields::line(text).map(|text| Some(text).filter(|text| !text.is_empty()));
    let hostname = line.check("hostname", &mut problems, fields::device_name);
    let address = line.check("ip_address", &mut problems, fields::address);
    let platform = line.check("device_type", &mut problems, |text| fields::platform(text, platforms));
    let port = line.check("port", &mut problems, |text| match text {
        "" => Ok(None),
        text => fields::port(text).map(Some),
    });
    let site = line.check("site", &mut problems, optional);
    let description = line.check("description", &mut problems, optional);
    let tags = line.check("tags", &mut problems, |text| {
        text.split(';').map(str::trim).filter(|tag| !tag.is_empty()).map(fields::tag).collect()
    });
    let reach = reach(line, platform.as_deref(), platforms, &mut problems);
    match (hostname, address, platform, port, site, description, tags, reach) {
        (
            Some(hostname),
            Some(address),
            Some(device_type),
            Some(port),
            Some(site),
            Some(description),
            Some(tags),
            Some(reach),
        ) => Ok(NewDevice { hostname, address, port, device_type, site, description, reach, tags }),
        _ => Err(problems),
    }
}

/// Fields left empty keep what is there.
fn reach(
    line: &Line<'_>,
    platform: Option<&str>,
    platforms: &Platforms,
    problems: &mut Vec<Problem>,
) -> Option<Reach> {
    let protocol = line.check("protocol", problems, |text| match text {
        "" => Ok(None),
        text => {
            let protocol = fields::protocol(text)?;
            platform.map_or(Ok(()), |platform| transport::check(platform, protocol, platforms))?;
            Ok(Some(protocol))
        }
    });
    let ssh_profile = line.check("ssh_profile", problems, |text| match text {
        "" => Ok(None),
        text => fields::ssh_profile(text).map(Some),
    });
    let jump_host = line.check("jump_host", problems, |text| match text {
        "" => Ok(None),
        text => fields::line(text).map(Some),
    });
    let (protocol, ssh_profile, jump_host) = (protocol?, ssh_profile?, jump_host?);
    let usual_protocol = platform.and_then(|platform| transport::usual(platform, platforms));
    Some(Reach { protocol, usual_protocol, ssh_profile, jump_host, ..Reach::default() })
}

fn unreadable(error: &csv::Error) -> Problem {
    let line = error.position().map_or(1, csv::Position::line);
    let message = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "expected UTF-8 text, found other bytes".to_owned(),
        _ => error.to_string(),
    };
    Problem { line, field: None, message }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
