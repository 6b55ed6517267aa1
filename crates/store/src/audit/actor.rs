use netraven_model::UserId;
use nix::unistd::{User, geteuid};
use std::net::IpAddr;

/// How somebody came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActorKind {
    /// A user who logged in.
    User,
    /// A user's token.
    Token,
    /// Somebody with a shell on the server.
    Shell,
    /// One of NetRaven's own services.
    Service,
}

/// In whose name a store changes things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// How he came in.
    pub kind: ActorKind,
    /// His name there.
    pub name: String,
    /// His row, where he is one of NetRaven's users.
    pub user: Option<UserId>,
    /// Where the request came from.
    pub source_address: Option<IpAddr>,
    /// The operating system's account that the program ran as, where that is not the name.
    pub account: Option<String>,
}

impl ActorKind {
    /// The word in the database and for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Token => "token",
            Self::Shell => "shell",
            Self::Service => "service",
        }
    }
}

impl Actor {
    /// One of NetRaven's own services.
    pub fn service(name: impl Into<String>) -> Self {
        Self { kind: ActorKind::Service, name: name.into(), user: None, source_address: None, account: None }
    }

    /// Whoever runs this process: the account's name, or with `sudo` the name of who called it.
    ///
    /// What `sudo` says comes from the environment, which the account itself could change; so the account is
    /// kept beside it.
    pub fn shell() -> Self {
        let uid = geteuid();
        // An account without a name, as in some containers.
        let account =
            User::from_uid(uid).ok().flatten().map_or_else(|| format!("uid {uid}"), |user| user.name);
        Self::of_account(account, std::env::var("SUDO_USER").ok())
    }

    fn of_account(account: String, caller: Option<String>) -> Self {
        let caller = caller.filter(|name| {
            !name.is_empty() && name.len() <= 256 && !name.contains(char::is_control) && *name != account
        });
        let kind = ActorKind::Shell;
        match caller {
            Some(name) => Self { kind, account: Some(account), ..Self::service(name) },
            None => Self { kind, ..Self::service(account) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_sudo_stands_the_one_who_called_it_and_the_account_beside_him() {
        let actor = |caller: Option<&str>| Actor::of_account("root".into(), caller.map(str::to_owned));
        let called = actor(Some("alice"));
        assert_eq!((called.name.as_str(), called.account.as_deref()), ("alice", Some("root")));
        for nobody in [None, Some(""), Some("root"), Some("a\nb")] {
            let own = actor(nobody);
            assert_eq!((own.kind, own.name.as_str(), own.account), (ActorKind::Shell, "root", None));
        }
    }
}
