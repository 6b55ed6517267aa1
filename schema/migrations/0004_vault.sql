-- The values of secrets that were taken out of configurations, and the keys that must not be used again.

-- One data key for each capture that brought values which were not kept yet, encrypted to the installation's public key of that
-- number. What belongs to a device goes with it.
CREATE TABLE netraven.sealed_keys (
    device_id bigint NOT NULL REFERENCES netraven.devices ON DELETE CASCADE,
    id uuid NOT NULL,
    key_number bigint NOT NULL CHECK (key_number > 0),
    wrapped bytea NOT NULL CHECK (length(wrapped) BETWEEN 32 AND 1024),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device_id, id)
);
CREATE INDEX sealed_keys_number ON netraven.sealed_keys (key_number, device_id, id);

-- Each value once, however many versions have it.
CREATE TABLE netraven.sealed_values (
    device_id bigint NOT NULL,
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 16),
    key_id uuid NOT NULL,
    ciphertext bytea NOT NULL,
    -- The same for equal values of all devices; null unless the installation wants that.
    site_fingerprint bytea CHECK (length(site_fingerprint) = 16),
    -- Encrypted anew by the device whenever it shows it: another fingerprint need not be another secret.
    salted boolean NOT NULL DEFAULT false,
    first_seen timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device_id, fingerprint),
    FOREIGN KEY (device_id, key_id) REFERENCES netraven.sealed_keys ON DELETE CASCADE
);
ALTER TABLE netraven.sealed_values ALTER COLUMN ciphertext SET STORAGE EXTERNAL;
CREATE INDEX sealed_values_site ON netraven.sealed_values (site_fingerprint) WHERE site_fingerprint IS NOT NULL;
CREATE INDEX sealed_values_key ON netraven.sealed_values (device_id, key_id);

-- Keys that were taken away because nothing needed them.
CREATE TABLE netraven.retired_keys (
    number bigint PRIMARY KEY CHECK (number > 0),
    retired_at timestamptz NOT NULL DEFAULT now()
);

-- The number of the key that a credential's ciphertext was made with, from its first five bytes.
CREATE FUNCTION netraven.key_number(ciphertext bytea) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN length(ciphertext) >= 5 THEN (get_byte(ciphertext, 1)::bigint << 24)
        + (get_byte(ciphertext, 2) << 16) + (get_byte(ciphertext, 3) << 8) + get_byte(ciphertext, 4) END
$$;

-- A process that has not noticed that a key was taken away must not encrypt with it: nobody could open it again.
CREATE FUNCTION netraven.refuse_retired_key() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    used bigint[];
    retired bigint;
BEGIN
    -- "keys" in ASCII. Whoever retires a key waits for those who are writing, and counts their rows.
    PERFORM pg_advisory_xact_lock_shared(x'6b657973'::bigint);
    IF TG_TABLE_NAME = 'credentials' THEN
        used := ARRAY[netraven.key_number(NEW.password), netraven.key_number(NEW.enable_secret),
            netraven.key_number(NEW.private_key), netraven.key_number(NEW.key_passphrase)];
    ELSE
        used := ARRAY[NEW.key_number];
    END IF;
    SELECT number INTO retired FROM netraven.retired_keys WHERE number = ANY (used);
    IF FOUND THEN
        RAISE EXCEPTION 'encryption key % was removed; this process still encrypts with it', retired
            USING ERRCODE = 'integrity_constraint_violation', HINT = 'restart it, so that it reads the keys anew';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER sealed_keys_refuse_retired BEFORE INSERT OR UPDATE ON netraven.sealed_keys
    FOR EACH ROW EXECUTE FUNCTION netraven.refuse_retired_key();
CREATE TRIGGER credentials_refuse_retired BEFORE INSERT OR UPDATE OF password, enable_secret, private_key, key_passphrase
    ON netraven.credentials FOR EACH ROW EXECUTE FUNCTION netraven.refuse_retired_key();
