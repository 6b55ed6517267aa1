//! What devices ask, in general: at a login over a line on which nobody has logged in yet, and beside it.
//!
//! Nothing here is answered because of how it reads alone; `login` says what has its place where.

use regex::bytes::{Regex, RegexBuilder};
use std::sync::LazyLock;

/// For what a device asks with the last line of what it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// The user name.
    Username,
    /// The password.
    Password,
    /// A password to be used from now on.
    NewPassword,
    /// A key, before it goes on.
    Key,
}

/// `login:`, `Username:`, `User Name:`, `router1 login:`, `Enter your user ID :`. At most one word stands before it, the
/// host's name, or a request.
const USERNAME: &str = r"(?i)^\s*(?:(?:please )?enter (?:your |the )?|[\w.:/@()~+-]{1,64} )?(?:user ?name|user(?: ?id)?|login(?: name| id| as)?|account(?: name)?) ?:\s*$";

/// The beginning of a report about logins.
const REPORT: &str =
    r"(?i)^\s*(?:last|previous|failed|successful|unsuccessful|invalid|bad|since|by|new|current)\b";

/// `Password:`, `Enter password:`, `ops@host's password:`, `Password for ops:`, `Passcode:`.
const PASSWORD: &str = r"(?i)^\s*(?:(?:please )?enter (?:your |the )?|[\w.:/@()~+-]{1,64}(?:'s)? )?(?:pass ?word|passcode|passwd)(?: for [\w.@-]{1,64})? ?:\s*$";

/// `New password:`, `Enter new password:`, `(current) UNIX password:`, `Retype new password:`, `Change now? [y/n]` after a
/// password that expired.
const NEW_PASSWORD: &str = r"(?i)^\s*(?:(?:please )?(?:re-?)?(?:enter|type|confirm)? ?(?:your |the |a )?(?:new|old|current|\(current\)) (?:[\w-]{1,20} )?password|.{0,80}\b(?:change|reset|renew)\b.{0,30}\bpassword\b.{0,80}|.{0,80}\bpassword\b.{0,40}\b(?:expired|change now|be changed)\b.{0,80}) ?[:?>\])]\s*$";

/// `Press RETURN to get started`, `Press any key to continue...`, `Hit <Enter>`.
const KEY: &str = r"(?i)\b(?:press|hit|strike) (?:any key|(?:the )?[<\[(']?(?:return|enter|cr)[>\])']?(?: key)?)(?: (?:to|for) [\w ]{1,40})?[ .!:]*$";

/// What says, at the beginning of a line, that a login was refused.
const REFUSED: &str = r"(?im)^[\s%*#:-]*(?:error: *)?(?:login (?:incorrect|invalid|failed|failure|refused|denied|error)|(?:user |login )?authenticat\w* (?:fail\w*|error|denied|rejected)|(?:access|permission|login|user) (?:is )?(?:denied|rejected|not authorized)|(?:bad|invalid|incorrect|wrong|unknown) (?:user ?names?|users?|logins?|passwords?|passwd|credentials?|secrets?)\b|(?:user ?name|password|user) (?:or password )?(?:is )?(?:incorrect|invalid|wrong)|not authorized|too many (?:login )?(?:failures|failed|attempts)|maximum .{0,20}attempts)";

/// `Select an option:`, `Enter choice [1-4]:`.
const MENU: &str = r"(?i)\b(?:choice|option|selection|select|menu|choose)\b[^\r\n]{0,60}[:>?\])] *$";

/// A test proves that each of them compiles.
fn pattern(text: &str) -> Option<Regex> {
    RegexBuilder::new(text).unicode(false).build().ok()
}

fn matches(pattern: &LazyLock<Option<Regex>>, text: &[u8]) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

static PATTERNS: [LazyLock<Option<Regex>>; 7] = [
    LazyLock::new(|| pattern(USERNAME)),
    LazyLock::new(|| pattern(REPORT)),
    LazyLock::new(|| pattern(PASSWORD)),
    LazyLock::new(|| pattern(NEW_PASSWORD)),
    LazyLock::new(|| pattern(KEY)),
    LazyLock::new(|| pattern(REFUSED)),
    LazyLock::new(|| pattern(MENU)),
];

/// The question that a line is.
pub(super) fn question(line: &[u8]) -> Option<Question> {
    let [username, report, password, new_password, key, ..] = &PATTERNS;
    if matches(new_password, line) {
        Some(Question::NewPassword)
    } else if matches(report, line) {
        None
    } else if matches(password, line) {
        Some(Question::Password)
    } else if matches(username, line) {
        Some(Question::Username)
    } else if matches(key, line) {
        Some(Question::Key)
    } else {
        None
    }
}

/// Whether a text says that the login was refused.
pub(super) fn refuses(text: &[u8]) -> bool {
    matches(&PATTERNS[5], text)
}

/// Whether a line wants something chosen from a menu.
pub(super) fn is_menu(line: &[u8]) -> bool {
    matches(&PATTERNS[6], line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_the_program_compile() {
        assert!(PATTERNS.iter().all(|pattern| pattern.is_some()));
    }

    fn all(lines: &[&str], expected: Option<Question>) {
        for line in lines {
            assert_eq!(question(line.as_bytes()), expected, "{line:?}");
        }
    }

    #[test]
    fn questions_are_told_from_each_other() {
        let names = [
            "login: ",
            "Username:",
            "User Name:",
            "user:",
            "User : ",
            "core-1 login: ",
            "Login:",
            "login as:",
        ];
        all(&names, Some(Question::Username));
        all(
            &["sw1.example.org Username: ", "Enter username:", "Please enter user ID: "],
            Some(Question::Username),
        );
        let words = [
            "Password:",
            "password: ",
            "Passcode:",
            "sw1 Password: ",
            "ops@sw1's password:",
            "Enter Password:",
        ];
        all(&words, Some(Question::Password));
        all(&["Password for ops: ", "\tPassword:"], Some(Question::Password));
        let new =
            ["New password: ", "Enter new password:", "(current) UNIX password:", "Retype new password:"];
        all(&new, Some(Question::NewPassword));
        let changes = [
            "Do you want to change the password? [y/n]:",
            "Your password has expired, change now?",
            "Old Password:",
        ];
        all(&changes, Some(Question::NewPassword));
        let keys = [
            "Press RETURN to get started.",
            "Press any key to continue...",
            "hit <Enter>",
            "Press [Enter] key",
        ];
        all(&keys, Some(Question::Key));
    }

    #[test]
    fn what_only_mentions_a_login_is_no_question() {
        all(
            &[
                "Last login:",
                "Last login: Tue",
                "Failed login:",
                "New user:",
                "Invalid password:",
                "password: x",
            ],
            None,
        );
        all(&["the password must be kept, see Password:", "username admin", "sw1#", "", "user:>"], None);
        all(&["Unauthorized persons press any key and leave, now"], None);
    }

    #[test]
    fn refusals_stand_at_the_beginning_of_a_line() {
        for text in [
            "\nLogin incorrect\n",
            "% Authentication failed\n",
            "\r\n% Login invalid\r\n",
            "Access denied\n",
            "% Bad passwords\n",
            "% Access denied",
            "Error: Authentication fail is wrong password\nwrong password",
            "Login failed!",
            "Invalid password",
            "Error: Password incorrect.",
            "User authentication failed",
            "Permission denied.",
            "Too many failures",
        ] {
            assert!(refuses(text.as_bytes()), "{text:?}");
        }
        for text in [
            "Since your last login: 0 login failed\n",
            "Welcome",
            "Unauthorized access is denied!",
            "no bad passwords",
        ] {
            assert!(!refuses(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn menus_are_recognised() {
        assert!(
            ["Enter choice [1-4]: ", "Select an option: ", "menu choice: ", "Your selection>"]
                .iter()
                .all(|line| is_menu(line.as_bytes()))
        );
        assert!(!is_menu(b"sw1#") && !is_menu(b"option A is best"));
    }
}
