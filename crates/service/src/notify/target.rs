//! Where notifications may go.

use lettre::Address;
use reqwest::Url;

/// A longer URL is a mistake.
const LONGEST_URL: usize = 2000;
/// More people than that belong on a mailing list.
const MOST_ADDRESSES: usize = 50;

/// A URL that webhooks can be sent to, as it is stored.
///
/// # Errors
/// What was expected.
pub fn webhook_url(text: &str) -> Result<String, String> {
    let expected = |what: &str| format!("expected a URL such as https://hooks.example.net/netraven, {what}");
    let url = Url::parse(text).map_err(|error| expected(&format!("found something else: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(expected(&format!("found one of the scheme '{}'", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(expected("without user and password: they would be stored in clear"));
    }
    if url.fragment().is_some() {
        return Err(expected("without '#': that part is never sent"));
    }
    if url.as_str().len() > LONGEST_URL {
        return Err(expected(&format!("of at most {LONGEST_URL} characters")));
    }
    Ok(url.into())
}

/// E-mail addresses between commas, as they are stored.
///
/// # Errors
/// What was expected.
pub fn addresses(text: &str) -> Result<Vec<String>, String> {
    let address = |part: &str| match part.trim().parse::<Address>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(format!("expected e-mail addresses such as ops@example.net, found '{}'", part.trim())),
    };
    let found: Vec<String> = text.split(',').map(address).collect::<Result<_, _>>()?;
    if found.len() > MOST_ADDRESSES {
        return Err(format!("expected at most {MOST_ADDRESSES} addresses, found {}", found.len()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_without_a_login_are_taken() {
        assert_eq!(webhook_url("https://h.example/x?y=1").unwrap(), "https://h.example/x?y=1");
        assert_eq!(webhook_url("HTTP://H.example").unwrap(), "http://h.example/");
        for (wrong, reason) in [
            ("ftp://h/x", "'ftp'"),
            ("file:///etc/passwd", "'file'"),
            ("h.example/x", "found"),
            ("", "found"),
            ("https://", "found"),
            ("https://u:canary@h/", "user and password"),
            ("https://u@h/", "user and password"),
            ("https://h/#x", "'#'"),
        ] {
            let error = webhook_url(wrong).unwrap_err();
            assert!(error.contains(reason) && !error.contains("canary"), "{wrong}: {error}");
        }
        assert!(webhook_url(&format!("https://h/{}", "x".repeat(2000))).unwrap_err().contains("2000"));
    }

    #[test]
    fn addresses_are_taken_one_by_one() {
        assert_eq!(addresses("a@x.example, b@y.example").unwrap(), ["a@x.example", "b@y.example"]);
        for wrong in [
            "",
            "a",
            "a@",
            "@x",
            "a@x,",
            "a b@x.example",
            "a@x.example\r\nBcc: b@y.example",
            "A <a@x.example>",
        ] {
            assert!(addresses(wrong).unwrap_err().contains("ops@example.net"), "{wrong:?}");
        }
        let many = vec!["a@x.example"; 51].join(",");
        assert!(addresses(&many).unwrap_err().contains("at most 50"));
    }
}
