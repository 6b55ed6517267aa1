-- What a customer's installation needs besides backups: people, tokens, an audit trail, rules for tags, and
-- what services do to the log tables without owning them.

-- One row: which installation this is, from its first initialization on. Backups name it.
CREATE TABLE netraven.installation (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE netraven.users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Lower case, so that nobody is two people.
    username text NOT NULL UNIQUE CHECK (username <> '' AND username = lower(username)),
    full_name text,
    email text,
    role text NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
    -- Argon2id in PHC form; null: nobody can log in as this user.
    password_hash text,
    must_change_password boolean NOT NULL DEFAULT false,
    is_active boolean NOT NULL DEFAULT true,
    failed_logins integer NOT NULL DEFAULT 0 CHECK (failed_logins >= 0),
    locked_until timestamptz,
    last_login timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE netraven.api_tokens (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES netraven.users ON DELETE CASCADE,
    name text NOT NULL CHECK (name <> ''),
    -- SHA-256 of the token, which is long and random; the token itself is shown once.
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    -- The first characters, for people to tell tokens apart.
    prefix text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    last_used timestamptz,
    revoked_at timestamptz,
    UNIQUE (user_id, name)
);

-- No foreign keys: an entry outlives whom and what it tells of.
CREATE TABLE netraven.audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    timestamp timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL CHECK (actor <> ''),
    actor_kind text NOT NULL CHECK (actor_kind IN ('user', 'token', 'shell', 'service')),
    user_id bigint,
    action text NOT NULL CHECK (action <> ''),
    target_kind text,
    target text,
    success boolean NOT NULL DEFAULT true,
    source_address text,
    details jsonb
);
CREATE INDEX audit_log_time ON netraven.audit_log (timestamp, id);
CREATE INDEX audit_log_actor ON netraven.audit_log (actor, id);
CREATE INDEX audit_log_action ON netraven.audit_log (action, id);
CREATE INDEX audit_log_target ON netraven.audit_log (target_kind, target, id);

CREATE FUNCTION netraven.audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the audit log only grows: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_log_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON netraven.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION netraven.audit_log_is_append_only();

-- A device that fits all that a rule names gets the rule's tag.
CREATE TABLE netraven.tag_rules (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tag_id bigint NOT NULL REFERENCES netraven.tags ON DELETE CASCADE,
    -- With * and ?, upper and lower case alike.
    hostname_pattern text CHECK (hostname_pattern <> ''),
    device_type text CHECK (device_type <> ''),
    site text CHECK (site <> ''),
    network cidr,
    description text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (num_nonnulls(hostname_pattern, device_type, site, network) > 0)
);
CREATE UNIQUE INDEX tag_rules_same ON netraven.tag_rules (tag_id, coalesce(hostname_pattern, ''),
    coalesce(device_type, ''), coalesce(site, ''), coalesce(text(network), ''));

-- The rule that attached the tag; null where a person did. It goes with the rule.
ALTER TABLE netraven.device_tags ADD COLUMN rule_id bigint REFERENCES netraven.tag_rules ON DELETE CASCADE;
CREATE INDEX device_tags_rule ON netraven.device_tags (rule_id) WHERE rule_id IS NOT NULL;

-- Addresses of devices may be names, which are in no network.
CREATE FUNCTION netraven.as_inet(address text) RETURNS inet LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN address::inet;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN NULL;
END $$;

-- Who may see which secrets a credential has need not be able to read them.
ALTER TABLE netraven.credentials
    ADD COLUMN has_password boolean NOT NULL GENERATED ALWAYS AS (password IS NOT NULL) STORED,
    ADD COLUMN has_enable_secret boolean NOT NULL GENERATED ALWAYS AS (enable_secret IS NOT NULL) STORED,
    ADD COLUMN has_private_key boolean NOT NULL GENERATED ALWAYS AS (private_key IS NOT NULL) STORED;

-- An attempt names the credential it used, also one that was removed since: ids are never given again. Without the
-- reference the gateway, who writes attempts, needs to know nothing of credentials.
ALTER TABLE netraven.job_attempts DROP CONSTRAINT job_attempts_credential_id_fkey;
DROP INDEX netraven.job_attempts_credential;

CREATE INDEX jobs_status_time ON netraven.jobs (status, scheduled_for);
CREATE INDEX jobs_outcome ON netraven.jobs (outcome, id) WHERE outcome IS NOT NULL;
CREATE INDEX jobs_completed ON netraven.jobs (completed_at) WHERE completed_at IS NOT NULL;

-- Makes the log tables' partitions of one month (UTC) and those behind it. What stands in the default partition for
-- want of another moves. Runs as the owner, because only an owner can attach a partition.
CREATE FUNCTION netraven.ensure_log_partitions(at timestamptz, months_ahead integer) RETURNS integer
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    parent text;
    first date;
    next date;
    part text;
    made integer := 0;
BEGIN
    FOREACH parent IN ARRAY ARRAY['job_logs', 'connection_logs'] LOOP
        FOR ahead IN 0 .. least(months_ahead, 24) LOOP
            first := date_trunc('month', at) + make_interval(months => ahead);
            next := first + interval '1 month';
            part := parent || to_char(first, '"_y"YYYY"m"MM');
            -- The catalogue itself: functions for names may answer from a cache that is older than the lock.
            CONTINUE WHEN EXISTS (SELECT FROM pg_class WHERE relname = part AND relnamespace = 'netraven'::regnamespace);
            -- "logparts" in ASCII; nothing else locks it.
            PERFORM pg_advisory_xact_lock(x'6c6f677061727473'::bigint);
            CONTINUE WHEN EXISTS (SELECT FROM pg_class WHERE relname = part AND relnamespace = 'netraven'::regnamespace);
            -- Writers wait, and then see the new partition: one that had chosen the default would be refused by it.
            EXECUTE format('LOCK TABLE ONLY netraven.%I IN SHARE ROW EXCLUSIVE MODE', parent);
            EXECUTE format('LOCK TABLE netraven.%I IN ACCESS EXCLUSIVE MODE', parent || '_default');
            EXECUTE format('CREATE TABLE netraven.%I (LIKE netraven.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, parent);
            EXECUTE format('WITH moved AS (DELETE FROM netraven.%I WHERE timestamp >= %L AND timestamp < %L RETURNING *)
                INSERT INTO netraven.%I SELECT * FROM moved', parent || '_default', first, next, part);
            EXECUTE format('ALTER TABLE netraven.%I ATTACH PARTITION netraven.%I FOR VALUES FROM (%L) TO (%L)',
                parent, part, first, next);
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION netraven.ensure_log_partitions FROM PUBLIC;

-- Drops one log table's partitions whose last moment is before the given one, and answers their names. Strict, because
-- no partition is younger than an unknown time; and what is still being written is never dropped.
CREATE FUNCTION netraven.drop_log_partitions(log text, before timestamptz) RETURNS SETOF text
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    part text;
BEGIN
    IF log NOT IN ('job_logs', 'connection_logs') THEN
        RAISE EXCEPTION '% is no log table', quote_ident(log) USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF before > now() THEN
        RAISE EXCEPTION 'logs are kept until now at least, not dropped until %', before USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- As in ensure_log_partitions: of two that are called at once the second finds nothing left to drop.
    PERFORM pg_advisory_xact_lock(x'6c6f677061727473'::bigint);
    FOR part IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = format('netraven.%I', log)::regclass AND c.relname ~ '_y\d{4}m\d{2}$' ORDER BY c.relname
    LOOP
        CONTINUE WHEN to_date(right(part, 7), 'YYYY"m"MM') + interval '1 month' > before;
        EXECUTE format('DROP TABLE netraven.%I', part);
        RETURN NEXT part;
    END LOOP;
    EXECUTE format('DELETE FROM netraven.%I WHERE timestamp < $1', log || '_default') USING before;
END $$;
REVOKE ALL ON FUNCTION netraven.drop_log_partitions FROM PUBLIC;

-- In the order in which devices are listed.
CREATE INDEX devices_site ON netraven.devices (site, hostname) WHERE site IS NOT NULL;
CREATE INDEX devices_status ON netraven.devices (status, hostname);

-- Parts of names are searched for, so the indexes are of trigrams. An import goes into them at once: with a long list of
-- pending entries they are slower than no index. Where the extension stands is the server's matter.
DO $$
DECLARE
    home name := (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm');
BEGIN
    EXECUTE format('CREATE INDEX devices_text ON netraven.devices USING gin
        (hostname %1$I.gin_trgm_ops, ip_address %1$I.gin_trgm_ops, description %1$I.gin_trgm_ops)
        WITH (fastupdate = off)', home);
END $$;
