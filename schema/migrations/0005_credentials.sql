-- Which credential is tried where, and what keeps accounts from being locked.

ALTER TABLE netraven.credentials
    -- An alias of the configuration file that leads to the password, instead of a ciphertext.
    ADD COLUMN password_ref text CHECK (password_ref IS NULL OR (password_ref <> '' AND password IS NULL)),
    -- Refused by too many devices in a row: no candidate until somebody resumes it or changes its password.
    ADD COLUMN suspended_at timestamptz,
    -- What was refused before does not count any more: a device accepted it then, or somebody resumed it.
    ADD COLUMN proven_at timestamptz,
    ADD COLUMN resumed_at timestamptz,
    -- Devices at other addresses are not shown it; empty: all may be.
    ADD COLUMN allowed_networks cidr[] NOT NULL DEFAULT '{}';

-- Logins that are under way and those that were refused of late. One that was accepted leaves no row.
CREATE TABLE netraven.login_attempts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id bigint NOT NULL REFERENCES netraven.devices ON DELETE CASCADE,
    -- Null: one that was given by hand.
    credential_id bigint REFERENCES netraven.credentials ON DELETE CASCADE,
    -- No foreign key: what was refused stays refused when its job is gone.
    job_id bigint,
    at timestamptz NOT NULL,
    -- A login under way counts until then, whoever began it; null: refused.
    open_until timestamptz,
    -- The device has accepted a login since.
    forgiven boolean NOT NULL DEFAULT false,
    -- Whether it counts against the credential: a device that refused it the last time as well says nothing new.
    telling boolean NOT NULL DEFAULT true
);
CREATE INDEX login_attempts_device ON netraven.login_attempts (device_id, at);
CREATE INDEX login_attempts_credential ON netraven.login_attempts (credential_id, at) WHERE credential_id IS NOT NULL;
