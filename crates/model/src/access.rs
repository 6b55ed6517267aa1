//! How a device is spoken to.

words! {
    /// The protocol beneath a session.
    #[derive(Default)]
    Protocol {
        /// SSH version 2 (RFC 4253).
        #[default]
        Ssh = "ssh",
        /// Telnet (RFC 854).
        Telnet = "telnet",
        /// HTTP or HTTPS, for devices with a REST or RPC interface.
        Http = "http",
    }
}

impl Protocol {
    /// The port that the protocol has where none is named: 22, 23, 443.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Ssh => 22,
            Self::Telnet => 23,
            Self::Http => 443,
        }
    }
}

words! {
    /// Which SSH algorithms a device may be spoken to with, the safest first: each offers what the one before it does and more.
    #[derive(PartialOrd, Ord)]
    SshProfile {
        /// Nothing with SHA-1, CBC, 3DES or DSA, no group below 2048 bits.
        Modern = "modern",
        /// Also SHA-1 and CBC, as devices of the years around 2010 need them.
        Compatible = "compatible",
        /// Also groups of 1024 bits, DSA, 3DES: everything that can be spoken.
        Legacy = "legacy",
    }
}
