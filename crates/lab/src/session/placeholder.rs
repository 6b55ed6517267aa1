use super::secret_kind::SecretKind;

/// Where a text stands decides which placeholders it may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The pattern of a device's name: what does not depend on the name itself.
    Name,
    /// What a device sends.
    Text,
    /// The answer to an unknown command.
    Error,
    /// One generated block of filler.
    Filler,
    /// What a backup must find: nothing that depends on the time or on the configuration's size.
    Expect,
}

/// The closed set of placeholders. In a file they stand in double braces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Placeholder {
    /// `hostname`
    Hostname,
    /// `username`: who is logged in.
    Username,
    /// `n`: number of the device, from 0.
    Number,
    /// `nnnn`: the same with at least four digits.
    PaddedNumber,
    /// `site`: three letters.
    Site,
    /// `serial`: the chassis' serial number.
    Serial,
    /// `loopback`: an address in 10.255.0.0/16.
    Loopback,
    /// `address`: the management address.
    Address,
    /// `octet`: a number from 0 to 255 that tells devices' networks apart.
    Octet,
    /// `mac`, `mac_cisco`: six bytes as `02:1a:..` or as `021a.0000.0001`.
    Mac,
    MacCisco,
    /// `now_ios`, `now_asctime`, `now_junos`: the present time in three writings.
    NowIos,
    NowAsctime,
    NowJunos,
    /// `clock_period`: the drifting value of IOS' `ntp clock-period`.
    ClockPeriod,
    /// `uptime_ios`, `uptime_eos`: time since the start.
    UptimeIos,
    UptimeEos,
    /// `booted_ios`
    BootedIos,
    /// `changed_ios`, `changed_junos`: time of the last change; `changed_by`: who made it.
    ChangedIos,
    ChangedJunos,
    ChangedBy,
    /// `ticket`: a number that is new with each change; only in the lines of `changes`.
    Ticket,
    /// `size`: bytes of the text behind the line on which it stands.
    Size,
    /// `filler`: generated blocks, alone on its line.
    Filler,
    /// `braces`: two opening braces, which would begin a placeholder otherwise.
    Braces,
    /// `caret`: blanks and `^` under the first word that was not understood; `command`, `word`: what was typed.
    Caret,
    Command,
    Word,
    /// `i`, `high`, `low`: number of the filler block, and the same as two octets.
    Block,
    BlockHigh,
    BlockLow,
    /// `<kind>:<label>`: an invented secret, the same wherever the label is used on one device.
    Secret(SecretKind, String),
}

impl Placeholder {
    /// The placeholder of this name, if texts of this scope may use it.
    pub(super) fn parse(name: &str, scope: Scope) -> Option<Self> {
        let placeholder = match name.split_once(':') {
            Some((kind, label)) => Self::secret(kind, label)?,
            None => Self::plain(name)?,
        };
        placeholder.allowed_in(scope).then_some(placeholder)
    }

    fn secret(kind: &str, label: &str) -> Option<Self> {
        let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let valid = !label.is_empty() && label.bytes().all(word);
        valid.then_some(())?;
        Some(Self::Secret(SecretKind::from_name(kind)?, label.to_string()))
    }

    fn plain(name: &str) -> Option<Self> {
        Some(match name {
            "hostname" => Self::Hostname,
            "username" => Self::Username,
            "n" => Self::Number,
            "nnnn" => Self::PaddedNumber,
            "site" => Self::Site,
            "serial" => Self::Serial,
            "loopback" => Self::Loopback,
            "address" => Self::Address,
            "octet" => Self::Octet,
            "mac" => Self::Mac,
            "mac_cisco" => Self::MacCisco,
            "now_ios" => Self::NowIos,
            "now_asctime" => Self::NowAsctime,
            "now_junos" => Self::NowJunos,
            "clock_period" => Self::ClockPeriod,
            "uptime_ios" => Self::UptimeIos,
            "uptime_eos" => Self::UptimeEos,
            "booted_ios" => Self::BootedIos,
            "changed_ios" => Self::ChangedIos,
            "changed_junos" => Self::ChangedJunos,
            "changed_by" => Self::ChangedBy,
            "ticket" => Self::Ticket,
            "size" => Self::Size,
            "filler" => Self::Filler,
            "braces" => Self::Braces,
            "caret" => Self::Caret,
            "command" => Self::Command,
            "word" => Self::Word,
            "i" => Self::Block,
            "high" => Self::BlockHigh,
            "low" => Self::BlockLow,
            _ => return None,
        })
    }

    fn allowed_in(&self, scope: Scope) -> bool {
        let block = matches!(self, Self::Block | Self::BlockHigh | Self::BlockLow);
        let typed = matches!(self, Self::Caret | Self::Command | Self::Word);
        let sized = matches!(self, Self::Size | Self::Filler);
        match scope {
            Scope::Name => matches!(self, Self::Number | Self::PaddedNumber | Self::Site),
            Scope::Filler => block,
            Scope::Text => !block && !typed,
            Scope::Error => !block && !sized,
            Scope::Expect => !block && !typed && !sized && !self.depends_on_time(),
        }
    }

    fn depends_on_time(&self) -> bool {
        matches!(
            self,
            Self::NowIos
                | Self::NowAsctime
                | Self::NowJunos
                | Self::ClockPeriod
                | Self::UptimeIos
                | Self::UptimeEos
                | Self::Ticket
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_may_not_depend_on_the_time() {
        assert_eq!(Placeholder::parse("uptime_ios", Scope::Expect), None);
        assert_eq!(Placeholder::parse("uptime_ios", Scope::Text), Some(Placeholder::UptimeIos));
    }

    #[test]
    fn secrets_have_a_known_kind_and_a_label() {
        let parse = |name| Placeholder::parse(name, Scope::Text);
        assert_eq!(parse("type7:vty"), Some(Placeholder::Secret(SecretKind::Type7, "vty".into())));
        for wrong in ["type4:vty", "type7:", "type7:Vty", "type7: vty", ":"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
