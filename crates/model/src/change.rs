//! What may change with a device that somebody wants to be told of.

words! {
    /// A change of a device's state, told once and not with each job that sees it.
    ChangeKind {
        /// Its last job worked, and now one failed for good.
        DeviceFailing = "device_failing",
        /// It failed, and now a job worked.
        DeviceRecovered = "device_recovered",
        /// A version was stored that differs from the one before by more than the rules it was read with.
        ConfigurationChanged = "configuration_changed",
        /// A secret stands in its configuration that it did not have before.
        SecretChanged = "secret_changed",
        /// It shows another host key than the known one, and nobody logs in there until a person has accepted it.
        HostKeyChanged = "host_key_changed",
    }
}

impl ChangeKind {
    /// The same for people, e.g. as the heading of a list of devices.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::DeviceFailing => "device failing",
            Self::DeviceRecovered => "device recovered",
            Self::ConfigurationChanged => "configuration changed",
            Self::SecretChanged => "secret changed",
            Self::HostKeyChanged => "host key changed",
        }
    }
}

words! {
    /// How somebody is told.
    ChannelKind {
        /// An HTTP request for each change.
        Webhook = "webhook",
        /// An e-mail for each change, or once a day.
        Email = "email",
    }
}

words! {
    /// Where the telling of one change to one channel stands.
    DeliveryStatus {
        /// It is to be sent, or sent again.
        Waiting = "waiting",
        /// It arrived.
        Sent = "sent",
        /// It was tried as often as is tried, or is not wanted any more.
        Dead = "dead",
    }
}
