//! Which gateways a scheduler may send jobs to.

use netraven_model::Secret;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// The gateways of the configuration file, by their names.
pub type Gateways = BTreeMap<String, GatewaySettings>;

/// Where jobs are carried out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DispatchSettings {
    /// The gateways elsewhere.
    pub gateways: Gateways,
    /// Whether this process carries out jobs itself; where nothing is said, it does if there are no gateways.
    pub local: Option<bool>,
}

/// One gateway elsewhere.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GatewaySettings {
    /// Its address: `https://HOST:PORT`, and `http://` where it is on this machine.
    pub url: String,
    /// The sites whose devices it reaches; with none it is for those that no gateway names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<String>,
    /// Its API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The file whose only line is its API key; read for every job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Certificates in PEM that vouch for it, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Jobs that it is sent at the same time; without it as many as it says it can carry out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_sessions: Option<usize>,
}

impl GatewaySettings {
    /// What is wrong with it, if anything is. Values are not quoted: one might be the key at the wrong place.
    pub fn problem(&self) -> Option<&'static str> {
        let Ok(url) = Url::parse(&self.url) else {
            return Some("url is none, such as https://gateway.example.net:8001");
        };
        let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if !plain || !url.username().is_empty() || url.password().is_some() || url.host_str().is_none() {
            return Some("url has more than a scheme, a host and a port");
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => {
                return Some(
                    "url is http:// and leads beyond this machine, where passwords would go in clear",
                );
            }
            _ => return Some("url is neither https:// nor http://"),
        }
        if self.key.is_some() == self.key_file.is_some() {
            return Some("one of key and key_file is expected");
        }
        let wrong = |key: &String| key.is_empty() || !key.chars().all(|c| c.is_ascii_graphic());
        if self.key.as_ref().is_some_and(wrong) {
            return Some("key is expected to be visible ASCII characters");
        }
        let relative = |path: &Option<PathBuf>| path.as_ref().is_some_and(|path| !path.is_absolute());
        if relative(&self.key_file) || relative(&self.ca_file) {
            return Some("key_file and ca_file are expected to be absolute paths");
        }
        if self.sites.iter().any(|site| site.trim().is_empty()) {
            return Some("a site has an empty name");
        }
        (self.max_sessions == Some(0)).then_some("max_sessions is expected to be at least 1")
    }

    /// The API key.
    ///
    /// # Errors
    /// A file that cannot be used.
    pub(super) async fn key(&self) -> Result<Secret, String> {
        match (&self.key, &self.key_file) {
            (Some(key), _) => Ok(Secret::from(key.as_str())),
            (None, Some(file)) => read_key(file.clone()).await,
            (None, None) => Err("there is neither key nor key_file".to_owned()),
        }
    }
}

async fn read_key(file: PathBuf) -> Result<Secret, String> {
    let wrong = |reason: String| format!("key_file {}: {reason}", file.display());
    // A key has 64 characters or so; what is much larger is another file.
    const LONGEST: u64 = 4096;
    let metadata = tokio::fs::metadata(&file).await.map_err(|error| wrong(error.to_string()))?;
    if metadata.len() > LONGEST {
        return Err(wrong(format!("expected one line, found {} bytes", metadata.len())));
    }
    if everybody_reads(&metadata) {
        return Err(wrong("everybody can read it; `chmod 600` makes it its owner's".to_owned()));
    }
    let bytes = Secret::new(tokio::fs::read(&file).await.map_err(|error| wrong(error.to_string()))?);
    let key = bytes.expose_text().map(str::trim).filter(|key| !key.is_empty());
    match key.filter(|key| key.chars().all(|c| c.is_ascii_graphic())) {
        Some(key) => Ok(Secret::from(key)),
        None => Err(wrong("expected one line of visible ASCII characters".to_owned())),
    }
}

#[cfg(unix)]
fn everybody_reads(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn everybody_reads(_: &std::fs::Metadata) -> bool {
    false
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

impl fmt::Debug for GatewaySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewaySettings")
            .field("url", &self.url)
            .field("sites", &self.sites)
            .field("max_sessions", &self.max_sessions)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> Option<&'static str> {
        serde_json::from_str::<GatewaySettings>(text).unwrap().problem()
    }

    #[test]
    fn credentials_travel_over_https_or_stay_on_this_machine() {
        for good in [
            "https://gw.example.net:8001",
            "https://10.0.0.1",
            "http://127.0.0.1:8001",
            "http://127.9.9.9:1",
            "http://[::1]:8001/",
            "http://localhost:8001",
        ] {
            assert_eq!(problem(&format!(r#"{{"url": "{good}", "key": "k"}}"#)), None, "{good}");
        }
        for bad in [
            "http://gw.example.net:8001",
            "http://10.0.0.1",
            "http://[2001:db8::1]",
            "http://localhost.example",
        ] {
            let found = problem(&format!(r#"{{"url": "{bad}", "key": "k"}}"#));
            assert!(found.is_some_and(|found| found.contains("in clear")), "{bad}: {found:?}");
        }
        for (bad, expected) in [
            ("gw:8001/x y", "neither"),
            ("ftp://gw", "neither"),
            ("nothing", "none"),
            ("https://user@gw", "more than"),
            ("https://gw/api", "more than"),
            ("https://gw?x=1", "more than"),
        ] {
            let found = problem(&format!(r#"{{"url": "{bad}", "key": "k"}}"#));
            assert!(
                found.is_some_and(|found| found.contains(expected) || found.contains("more than")),
                "{bad}: {found:?}"
            );
        }
    }

    #[test]
    fn there_is_one_key_and_it_is_not_shown() {
        for (rest, expected) in [
            (r#""key": "a", "key_file": "/k""#, "one of"),
            (r#""sites": []"#, "one of"),
            (r#""key": "a b""#, "visible"),
            (r#""key_file": "k""#, "absolute"),
            (r#""key": "a", "sites": [" "]"#, "empty name"),
            (r#""key": "a", "max_sessions": 0"#, "at least 1"),
        ] {
            let found = problem(&format!(r#"{{"url": "https://gw", {rest}}}"#));
            assert!(found.is_some_and(|found| found.contains(expected)), "{rest}: {found:?}");
        }
        let settings: GatewaySettings =
            serde_json::from_str(r#"{"url": "https://gw", "key": "canary"}"#).unwrap();
        assert!(!format!("{settings:?}").contains("canary"));
    }

    #[tokio::test]
    async fn the_file_with_the_key_is_its_owners_and_has_one_line() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        let mode = |mode| std::fs::set_permissions(file.path(), PermissionsExt::from_mode(mode)).unwrap();
        std::fs::write(file.path(), "the-key\n").unwrap();
        mode(0o600);
        assert_eq!(read_key(file.path().into()).await.unwrap().expose_text(), Some("the-key"));
        mode(0o644);
        assert!(read_key(file.path().into()).await.unwrap_err().contains("everybody"));
        mode(0o600);
        for wrong in ["", "two\nlines", &"x".repeat(5000)] {
            std::fs::write(file.path(), wrong).unwrap();
            assert!(read_key(file.path().into()).await.unwrap_err().contains("one line"), "{wrong}");
        }
    }
}
