//! Where a redirect leads, if it may be followed: never to another host or port, because the credential would go there.

use hyper::Uri;
use netraven_platform::Method;

/// A longer chain is a mistake, or a loop.
pub(super) const MAX_REDIRECTS: usize = 3;

/// Whom we are speaking to.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub scheme: &'static str,
    pub host: String,
    pub port: u16,
}

/// What to do about an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Redirect {
    /// It is no redirect.
    None,
    /// Ask for this path and query instead.
    To(String),
    /// It may not be followed.
    Refused(String),
}

pub(super) fn redirect(
    origin: &Origin,
    method: Method,
    from: &str,
    status: u16,
    location: Option<&str>,
) -> Redirect {
    // With 301 to 303 a POST becomes a GET (RFC 9110, section 15.4), which would ask something else.
    match (status, method) {
        (307 | 308, _) | (301..=303, Method::Get) => {}
        (301..=303, _) => {
            return Redirect::Refused(format!(
                "status {status} to a {method}, which would ask something else"
            ));
        }
        _ => return Redirect::None,
    }
    let Some(location) = location else {
        return Redirect::Refused(format!("status {status} without a place to go"));
    };
    if location.starts_with('/') && !location.starts_with("//") {
        return path(location);
    }
    // A reference with a scheme has its colon before anything else (RFC 3986, section 4.2).
    let has_scheme = location.split(['/', '?', '#']).next().is_some_and(|first| first.contains(':'));
    if !has_scheme && !location.starts_with("//") {
        let folder =
            from.split('?').next().unwrap_or_default().rsplit_once('/').map_or("", |(folder, _)| folder);
        return path(&format!("{folder}/{location}"));
    }
    let uri = location.parse::<Uri>().ok();
    let Some((uri, host)) = uri.as_ref().and_then(|uri| Some((uri, uri.host()?))) else {
        return Redirect::Refused(format!("status {status} to a place that is no URL of a host"));
    };
    let scheme = uri.scheme_str().unwrap_or(origin.scheme);
    let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
    let same = scheme == origin.scheme && host.eq_ignore_ascii_case(&origin.host) && port == origin.port;
    match same {
        true => path(uri.path_and_query().map_or("/", |path| path.as_str())),
        // The query may hold a token: only the host is named.
        false => Redirect::Refused(format!(
            "a redirect to {scheme}://{host}:{port}, which is another host or port"
        )),
    }
}

fn path(target: &str) -> Redirect {
    match target.parse::<Uri>() {
        Ok(_) => Redirect::To(target.to_owned()),
        Err(_) => Redirect::Refused("a redirect to a path that is none".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(method: Method, status: u16, location: &str) -> Redirect {
        let origin = Origin { scheme: "https", host: "192.0.2.1".into(), port: 8443 };
        redirect(&origin, method, "/api/v2/x?y=1", status, Some(location))
    }

    #[test]
    fn only_the_same_host_and_port_are_followed() {
        let path = |text: &str| Redirect::To(text.to_owned());
        assert_eq!(to(Method::Get, 302, "/new?a=b"), path("/new?a=b"));
        assert_eq!(to(Method::Get, 301, "https://192.0.2.1:8443/new"), path("/new"));
        assert_eq!(to(Method::Post, 308, "z"), path("/api/v2/z"));
        assert_eq!(to(Method::Get, 200, "/new"), Redirect::None);
        for other in [
            "https://192.0.2.1/new",
            "http://192.0.2.1:8443/",
            "https://evil.example:8443/",
            "//evil.example/x",
            "https://192.0.2.1:8443@evil.example/",
        ] {
            assert!(matches!(to(Method::Get, 307, other), Redirect::Refused(_)), "{other}");
        }
        assert!(matches!(to(Method::Post, 302, "/login"), Redirect::Refused(why) if why.contains("POST")));
    }
}
