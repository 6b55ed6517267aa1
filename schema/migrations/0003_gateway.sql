-- How a device is reached beyond its address, and whom an address outside the inventory proved to be.

ALTER TABLE netraven.devices
    ADD COLUMN protocol text NOT NULL DEFAULT 'ssh' CHECK (protocol IN ('ssh', 'telnet', 'http')),
    -- The weakest algorithms that it may be spoken to with: learned at the first contact, or set by a person; null: not known yet.
    ADD COLUMN ssh_profile text CHECK (ssh_profile IN ('modern', 'compatible', 'legacy')),
    -- The device through which it is reached; null: directly.
    ADD COLUMN jump_host bigint REFERENCES netraven.devices CHECK (jump_host <> id),
    -- Whom to believe over HTTPS: the known authorities, one certificate, or anybody.
    ADD COLUMN tls text NOT NULL DEFAULT 'verify' CHECK (tls ~ '^(verify|insecure|sha256:[0-9a-f]{64})$'),
    -- Whether protocols before TLS 1.2 may be spoken.
    ADD COLUMN tls_legacy boolean NOT NULL DEFAULT false;
CREATE INDEX devices_jump_host ON netraven.devices (jump_host) WHERE jump_host IS NOT NULL;

-- Host keys of addresses that are no devices of the inventory, as callers of the gateway name them.
CREATE TABLE netraven.known_hosts (
    address text NOT NULL CHECK (address <> ''),
    port integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
    algorithm text NOT NULL,
    fingerprint text NOT NULL,
    key text NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (address, port, algorithm, fingerprint)
);
