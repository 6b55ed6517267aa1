-- The whole schema at a glance: what the migrations make, written by a test (see README.md here).

CREATE SCHEMA netraven;

CREATE FUNCTION netraven.as_inet(address text) RETURNS inet
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RETURN address::inet;
EXCEPTION WHEN invalid_text_representation THEN
    RETURN NULL;
END $$;

CREATE FUNCTION netraven.audit_log_is_append_only() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RAISE EXCEPTION 'the audit log only grows: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE FUNCTION netraven.drop_log_partitions(log text, before timestamp with time zone) RETURNS SETOF text
    LANGUAGE plpgsql STRICT SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $_$
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
END $_$;

CREATE FUNCTION netraven.ensure_log_partitions(at timestamp with time zone, months_ahead integer) RETURNS integer
    LANGUAGE plpgsql STRICT SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    AS $$
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

CREATE FUNCTION netraven.key_number(ciphertext bytea) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
    SELECT CASE WHEN length(ciphertext) >= 5 THEN (get_byte(ciphertext, 1)::bigint << 24)
        + (get_byte(ciphertext, 2) << 16) + (get_byte(ciphertext, 3) << 8) + get_byte(ciphertext, 4) END
$$;

CREATE FUNCTION netraven.refuse_retired_key() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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
    ELSIF TG_TABLE_NAME = 'notification_channels' THEN
        used := ARRAY[netraven.key_number(NEW.secret)];
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

CREATE TABLE netraven.api_tokens (
    id bigint NOT NULL,
    user_id bigint NOT NULL,
    name text NOT NULL,
    token_hash bytea NOT NULL,
    prefix text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    last_used timestamp with time zone,
    revoked_at timestamp with time zone,
    CONSTRAINT api_tokens_name_check CHECK ((name <> ''::text)),
    CONSTRAINT api_tokens_token_hash_check CHECK ((length(token_hash) = 32))
);

ALTER TABLE netraven.api_tokens ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME netraven.api_tokens_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE netraven.audit_log (
    id bigint NOT NULL,
    "timestamp" timestamp with time zone DEFAULT now() NOT NULL,
    actor text NOT NULL,
    actor_kind text NOT NULL,
    user_id bigint,
    action text NOT NULL,
    target_kind text,
    target text,
    success boolean DEFAULT true NOT NULL,
    source_address text,
    details jsonb,
    CONSTRAINT audit_log_action_check CHECK ((action <> ''::text)),
    CONSTRAINT audit_log_actor_check CHECK ((actor <> ''::text)),
    CONSTRAINT audit_log_actor_kind_check CHECK ((actor_kind = ANY (ARRAY['user'::text, 'token'::text, 'shell'::text, 'service'::text])))
);

ALTER TABLE netraven.audit_log ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME netraven.audit_log_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE netraven.configuration_blobs (
    device_id bigint NOT NULL,
    digest bytea NOT NULL,
    encoding text NOT NULL,
    base_digest bytea,
    content bytea NOT NULL,
    size_bytes bigint NOT NULL,
    CONSTRAINT configuration_blobs_base_digest_check CHECK ((length(base_digest) = 32)),
    CONSTRAINT configuration_blobs_digest_check CHECK ((length(digest) = 32)),
    CONSTRAINT configuration_blobs_encoding_check CHECK ((encoding = 'zstd'::text)),
    CONSTRAINT configuration_blobs_size_bytes_check CHECK ((size_bytes >= 0))
);
ALTER TABLE ONLY netraven.configuration_blobs ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TABLE netraven.configuration_parts (
    device_id bigint NOT NULL,
    version_id bigint NOT NULL,
    "position" integer NOT NULL,
    name text NOT NULL,
    context text,
    command text NOT NULL,
    kind text NOT NULL,
    digest bytea NOT NULL,
    size_bytes bigint NOT NULL,
    volatile_spans integer[] DEFAULT '{}'::integer[] NOT NULL,
    secrets integer DEFAULT 0 NOT NULL,
    CONSTRAINT configuration_parts_kind_check CHECK ((kind = ANY (ARRAY['config'::text, 'state'::text, 'binary'::text]))),
    CONSTRAINT configuration_parts_size_bytes_check CHECK ((size_bytes >= 0))
);

CREATE TABLE netraven.connection_logs (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    job_id bigint,
    device_id bigint,
    log text NOT NULL,
    "timestamp" timestamp with time zone DEFAULT now() NOT NULL
)
PARTITION BY RANGE ("timestamp");

CREATE TABLE netraven.connection_logs_default (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    job_id bigint,
    device_id bigint,
    log text NOT NULL,
    "timestamp" timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE netraven.credential_device_stats (
    device_id bigint NOT NULL,
    credential_id bigint NOT NULL,
    last_used timestamp with time zone NOT NULL,
    last_success timestamp with time zone,
    success_rate real NOT NULL,
    successes bigint DEFAULT 0 NOT NULL,
    failures bigint DEFAULT 0 NOT NULL,
    CONSTRAINT credential_device_stats_success_rate_check CHECK (((success_rate >= (0)::double precision) AND (success_rate <= (1)::double precision)))
);

CREATE TABLE netraven.credential_tags (
    credential_id bigint NOT NULL,
    tag_id bigint NOT NULL
);

CREATE TABLE netraven.credentials (
    id bigint NOT NULL,
    name text NOT NULL,
    username text NOT NULL,
    password bytea,
    enable_secret bytea,
    private_key bytea,
    key_passphrase bytea,
    priority integer DEFAULT 100 NOT NULL,
    description text,
    last_used timestamp with time zone,
    last_success timestamp with time zone,
    success_rate real DEFAULT 0.5 NOT NULL,
    successes bigint DEFAULT 0 NOT NULL,
    failures bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    has_password boolean GENERATED ALWAYS AS ((password IS NOT NULL)) STORED NOT NULL,
    has_enable_secret boolean GENERATED ALWAYS AS ((enable_secret IS NOT NULL)) STORED NOT NULL,
    has_private_key boolean GENERATED ALWAYS AS ((private_key IS NOT NULL)) STORED NOT NULL,
    password_ref text,
    suspended_at timestamp with time zone,
    proven_at timestamp with time zone,
    resumed_at timestamp with time zone,
    allowed_networks cidr[] DEFAULT '{}'::cidr[] NOT NULL,
    CONSTRAINT credentials_check CHECK (((password_ref IS NULL) OR ((password_ref <> ''::text) AND (password IS NULL)))),
    CONSTRAINT credentials_name_check CHECK ((name <> ''::text)),
    CONSTRAINT credentials_success_rate_check CHECK (((success_rate >= (0)::double precision) AND (success_rate <= (1)::double precision)))
);

ALTER TABLE netraven.credentials ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME netraven.credentials_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE netraven.device_configurations (
    id bigint NOT NULL,
    device_id bigint NOT NULL,
    seq bigint NOT NULL,
    config_data text,
    retrieved_at timestamp with time zone NOT NULL,
    last_seen timestamp with time zone NOT NULL,
    significant_hash bytea NOT NULL,
    platform_digest bytea NOT NULL,
    size_bytes bigint NOT NULL,
    flags text[] DEFAULT '{}'::text[] NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT device_configurations_platform_digest_check CHECK ((length(platform_digest) = 32)),
    CONSTRAINT device_configurations_seq_check CHECK ((seq > 0)),
    CONSTRAINT device_configurations_significant_hash_check CHECK ((length(significant_hash) = 32)),
    CONSTRAINT device_configurations_size_bytes_check CHECK ((size_bytes >= 0))
)
WITH (fillfactor='80');

ALTER TABLE netraven.device_configurations ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME netraven.device_configurations_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE netraven.device_events (
    id bigint NOT NULL,
    device_id bigint NOT NULL,
    hostname text NOT NULL,
    event text NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    job_id bigint,
    version_id bigint,
    seq bigint,
    error_code text,
    message text,
    routed boolean DEFAULT false NOT NULL,
    CONSTRAINT device_events_event_check CHECK ((event = ANY (ARRAY['device_failing'::text, 'device_recovered'::text, 'configuration_changed'::text, 'secret_changed'::text, 'host_key_changed'::text])))
);

ALTER TABLE netraven.device_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME netraven.device_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE netraven.device_tags (
    device_id bigint NOT NULL,
    tag_id bigint NOT NULL,
    rule_id bigint
);

CREATE TABLE netraven.devices (
    id bigint NOT NULL,
    uuid uuid DEFAULT gen_random_uuid() NOT NULL,
    hostname text NOT NULL,
    ip_address text NOT NULL,
    port integer,
    device_type text NOT NULL,
    site text,
    description text,
    serial_number text,
    model text,
    software_version text,
    source text DEFAULT 'manual'::text NOT NULL,
    notes text,
    status text DEFAULT 'new'::text NOT NULL,
    last_seen timestamp with time zone,
    last_error_code text,
    last_error text,
    session_job bigint,
    session_token bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    protocol text DEFAULT 'ssh'::text NOT NULL,
    ssh_profile text,
    jump_host bigint,
    tls text DEFAULT 'verify'::text NOT NULL,
    tls_legacy boolean DEFAULT false NOT NULL,
    last_error_phase text,
    failures_in_row integer DEFAULT 0 NOT NULL,
    circuit_open_until timestamp with time zone,
    CONSTRAINT devices_check CHECK ((jump_host <> id)),
    CONSTRAINT devices_device_type_check CHECK ((device_type <> ''::text)),
    CONSTRAINT devices_failures_in_row_check CHECK ((failures_in_row >= 0)),
    CONSTRAINT devices_ip_address_check CHECK ((ip_address <> ''::text)),
    CONSTRAINT devices_last_error_phase_check CHECK ((last_error_phase <> ''::text)),
    CONSTRAINT devices_port_check CHECK (((port >= 1) AND (port <= 65535))),
    CONSTRAINT devices_protocol_check CHECK ((protocol = ANY (ARRAY['ssh'::text, 'telnet'::text, 'http'::text]))),
    CONSTRAINT devices_ssh_profile_check CHECK ((ssh_profile = ANY (ARRAY['modern'::text, 'compatible'::text, 'legacy'::text]))),
    CONSTRAINT devices_status_check CHECK ((status = ANY (ARRAY['new'::text, 'ok'::text, 'failing'::text, 'disabled'::text]))),
    CONSTRAINT devices_tls_check CHECK ((tls ~ '^(verify|insecure|sha256:[0-9a-f]{64})$'::text))
)
WITH (fillfactor='70');

ALTER TABLE netraven.devices ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME netraven.devices_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE netraven.host_keys (
    device_id bigint NOT NULL,
    algorithm text NOT NULL,
    fingerprint text NOT NULL,
    key text NOT NULL,
    first_seen timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE netraven.installation (
    only_one boolean DEFAULT true NOT NULL,
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT installation_only_one_check CHECK (only_one)
);

CREATE TABLE netraven.job_attempts (
    job_id bigint NOT NULL,
    attempt integer NOT NULL,
    worker text NOT NULL,
    started_at timestamp with time zone,
    completed_at timestamp with time zone NOT NULL,
    outcome text,
    error_code text,
    error text,
    credential_id bigint,
    credentials_refused bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    CONSTRAINT job_attempts_outcome_check CHECK ((outcome = ANY (ARRAY['changed'::text, 'unchanged'::text, 'ok'::text, 'failed'::text, 'skipped'::text])))
);

CREATE TABLE netraven.job_logs (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    job_id bigint,
    device_id bigint,
    "timestamp" timestamp with time zone DEFAULT now() NOT NULL,
    level text NOT NULL,
    event text NOT NULL,
    message text NOT NULL,
    output text,
    success boolean,
    details jsonb,
    stored_in xid8 DEFAULT pg_current_xact_id(),
    CONSTRAINT job_logs_level_check CHECK ((level = ANY (ARRAY['debug'::text, 'info'::text, 'warning'::text, 'error'::text])))
)
PARTITION BY RANGE ("timestamp");

CREATE TABLE netraven.job_logs_default (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    job_id bigint,
    device_id bigint,
    "timestamp" timestamp with time zone DEFAULT now() NOT NULL,
    level text NOT NULL,
    event text NOT NULL,
    message text NOT NULL,
    output text,
    success boolean,
    details jsonb,
    stored_in xid8 DEFAULT pg_current_xact_id(),
    CONSTRAINT job_logs_level_check CHECK ((level = ANY (ARRAY['debug'::text, 'info'::text, 'warning'::text, 'error'::text])))
);

CREATE TABLE netraven.jobs (
    id bigint NOT NULL,
    device_id bigint NOT NULL,
    run_id bigint,
    kind text NOT NULL,
    status text DEFAULT 'queued'::text NOT NULL,
    outcome text,
    priority integer DEFAULT 100 NOT NULL,
    scheduled_for timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    completed_at timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    error_code text,
    error text,
    lease_until timestamp with time zone,
    worker text,
    token bigint DEFAULT 0 NOT NULL,
    cancel_requested boolean DEFAULT false NOT NULL,
    version_id bigint,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    commands text[] DEFAULT '{}'::text[] NOT NULL,
    site text DEFAULT ''::text NOT NULL,
    not_after timestamp with time zone,
    CONSTRAINT jobs_check CHECK (((status = 'done'::text) = (outcome IS NOT NULL))),
    CONSTRAINT jobs_check1 CHECK (((status = 'running'::text) = ((lease_until IS NOT NULL) AND (worker IS NOT NULL)))),
    CONSTRAINT jobs_kind_check CHECK ((kind = ANY (ARRAY['backup'::text, 'command'::text, 'reachability'::text, 'credential_check'::text]))),
    CONSTRAINT jobs_outcome_check CHECK ((outcome = ANY (ARRAY['changed'::text, 'unchanged'::text, 'ok'::text, 'failed'::text, 'skipped'::text]))),
    CONSTRAINT jobs_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'running'::text, 'done'::text, 'cancelled'::text])))
)
WITH (fillfactor='80', autovacuum_vacuum_scale_factor='0.05');

ALTER TABLE netraven.jobs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME netraven.jobs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE netraven.known_hosts (
    address text NOT NULL,
    port integer NOT NULL,
    algorithm text NOT NULL,
    fingerprint text NOT NULL,
    key text NOT NULL,
    first_seen timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT known_hosts_address_check CHECK ((address <> ''::text)),
    CONSTRAINT known_hosts_port_check CHECK (((port >= 1) AND (port <= 65535)))
);

CREATE TABLE netraven.login_attempts (
    id bigint NOT NULL,
    device_id bigint NOT NULL,
    credential_id bigint,
    job_id bigint,
    at timestamp with time zone NOT NULL,
    open_until timestamp with time zone,
    forgiven boolean DEFAULT false NOT NULL,
    telling boolean DEFAULT true NOT NULL
);

ALTER TABLE netraven.login_attempts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME netraven.login_attempts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE netraven.notification_channels (
    id bigint NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    target text NOT NULL,
    secret bytea,
    events text[] DEFAULT '{}'::text[] NOT NULL,
    tags text[] DEFAULT '{}'::text[] NOT NULL,
    digest_at time without time zone,
    time_zone text DEFAULT 'UTC'::text NOT NULL,
    next_digest timestamp with time zone,
    enabled boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT notification_channels_check CHECK (((kind = 'webhook'::text) = (secret IS NOT NULL))),
    CONSTRAINT notification_channels_check1 CHECK (((digest_at IS NULL) OR (kind = 'email'::text))),
    CONSTRAINT notification_channels_kind_check CHECK ((kind = ANY (ARRAY['webhook'::text, 'email'::text]))),
    CONSTRAINT notification_channels_name_check CHECK ((name <> ''::text)),
    CONSTRAINT notification_channels_target_check CHECK ((target <> ''::text)),
    CONSTRAINT notification_channels_time_zone_check CHECK ((time_zone <> ''::text))
);

ALTER TABLE netraven.notification_channels ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME netraven.notification_channels_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE netraven.notification_deliveries (
    id bigint NOT NULL,
    channel_id bigint NOT NULL,
    event_id bigint NOT NULL,
    status text DEFAULT 'waiting'::text NOT NULL,
    attempts integer DEFAULT 0 NOT NULL,
    next_try timestamp with time zone DEFAULT now() NOT NULL,
    lease_until timestamp with time zone,
    last_error text,
    sent_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT notification_deliveries_status_check CHECK ((status = ANY (ARRAY['waiting'::text, 'sent'::text, 'dead'::text])))
);

ALTER TABLE netraven.notification_deliveries ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME netraven.notification_deliveries_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE netraven.retired_keys (
    number bigint NOT NULL,
    retired_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT retired_keys_number_check CHECK ((number > 0))
);

CREATE TABLE netraven.run_jobs (
    run_id bigint NOT NULL,
    job_id bigint NOT NULL
);

CREATE TABLE netraven.runs (
    id bigint NOT NULL,
    kind text NOT NULL,
    origin text NOT NULL,
    schedule_id bigint,
    target jsonb NOT NULL,
    requested_by text NOT NULL,
    cancelled_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    commands text[] DEFAULT '{}'::text[] NOT NULL,
    CONSTRAINT runs_kind_check CHECK ((kind = ANY (ARRAY['backup'::text, 'command'::text, 'reachability'::text, 'credential_check'::text]))),
    CONSTRAINT runs_origin_check CHECK ((origin = ANY (ARRAY['person'::text, 'schedule'::text])))
);

ALTER TABLE netraven.runs ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME netraven.runs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE netraven.schedules (
    id bigint NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    every_seconds bigint,
    target jsonb NOT NULL,
    enabled boolean DEFAULT true NOT NULL,
    next_run timestamp with time zone,
    last_run timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    cron text,
    once_at timestamp with time zone,
    first_run timestamp with time zone,
    time_zone text DEFAULT 'UTC'::text NOT NULL,
    valid_from timestamp with time zone,
    valid_until timestamp with time zone,
    windows text[] DEFAULT '{}'::text[] NOT NULL,
    blackouts text[] DEFAULT '{}'::text[] NOT NULL,
    jitter_seconds integer DEFAULT 0 NOT NULL,
    priority integer DEFAULT 200 NOT NULL,
    commands text[] DEFAULT '{}'::text[] NOT NULL,
    description text,
    CONSTRAINT schedules_commands_check CHECK (((kind = 'command'::text) = (commands <> '{}'::text[]))),
    CONSTRAINT schedules_cron_check CHECK ((cron <> ''::text)),
    CONSTRAINT schedules_every_seconds_check CHECK ((every_seconds > 0)),
    CONSTRAINT schedules_first_run_check CHECK (((every_seconds IS NULL) = (first_run IS NULL))),
    CONSTRAINT schedules_jitter_seconds_check CHECK ((jitter_seconds >= 0)),
    CONSTRAINT schedules_kind_check CHECK ((kind = ANY (ARRAY['backup'::text, 'command'::text, 'reachability'::text, 'credential_check'::text]))),
    CONSTRAINT schedules_name_check CHECK ((name <> ''::text)),
    CONSTRAINT schedules_time_zone_check CHECK ((time_zone <> ''::text)),
    CONSTRAINT schedules_timing_check CHECK ((num_nonnulls(every_seconds, cron, once_at) = 1)),
    CONSTRAINT schedules_valid_check CHECK ((valid_from < valid_until))
);

ALTER TABLE netraven.schedules ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME netraven.schedules_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE netraven.sealed_keys (
    device_id bigint NOT NULL,
    id uuid NOT NULL,
    key_number bigint NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT sealed_keys_key_number_check CHECK ((key_number > 0)),
    CONSTRAINT sealed_keys_wrapped_check CHECK (((length(wrapped) >= 32) AND (length(wrapped) <= 1024)))
);

CREATE TABLE netraven.sealed_values (
    device_id bigint NOT NULL,
    fingerprint bytea NOT NULL,
    key_id uuid NOT NULL,
    ciphertext bytea NOT NULL,
    site_fingerprint bytea,
    salted boolean DEFAULT false NOT NULL,
    first_seen timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT sealed_values_fingerprint_check CHECK ((length(fingerprint) = 16)),
    CONSTRAINT sealed_values_site_fingerprint_check CHECK ((length(site_fingerprint) = 16))
);
ALTER TABLE ONLY netraven.sealed_values ALTER COLUMN ciphertext SET STORAGE EXTERNAL;

CREATE TABLE netraven.system_settings (
    id bigint NOT NULL,
    key text NOT NULL,
    value jsonb NOT NULL,
    description text,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT system_settings_key_check CHECK ((key <> ''::text))
);

ALTER TABLE netraven.system_settings ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME netraven.system_settings_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE netraven.tag_rules (
    id bigint NOT NULL,
    tag_id bigint NOT NULL,
    hostname_pattern text,
    device_type text,
    site text,
    network cidr,
    description text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT tag_rules_check CHECK ((num_nonnulls(hostname_pattern, device_type, site, network) > 0)),
    CONSTRAINT tag_rules_device_type_check CHECK ((device_type <> ''::text)),
    CONSTRAINT tag_rules_hostname_pattern_check CHECK ((hostname_pattern <> ''::text)),
    CONSTRAINT tag_rules_site_check CHECK ((site <> ''::text))
);

ALTER TABLE netraven.tag_rules ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME netraven.tag_rules_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE netraven.tags (
    id bigint NOT NULL,
    name text NOT NULL,
    type text DEFAULT 'label'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT tags_name_check CHECK ((name <> ''::text)),
    CONSTRAINT tags_type_check CHECK ((type <> ''::text))
);

ALTER TABLE netraven.tags ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME netraven.tags_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE netraven.users (
    id bigint NOT NULL,
    username text NOT NULL,
    full_name text,
    email text,
    role text NOT NULL,
    password_hash text,
    must_change_password boolean DEFAULT false NOT NULL,
    is_active boolean DEFAULT true NOT NULL,
    failed_logins integer DEFAULT 0 NOT NULL,
    locked_until timestamp with time zone,
    last_login timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT users_failed_logins_check CHECK ((failed_logins >= 0)),
    CONSTRAINT users_role_check CHECK ((role = ANY (ARRAY['admin'::text, 'operator'::text, 'viewer'::text]))),
    CONSTRAINT users_username_check CHECK (((username <> ''::text) AND (username = lower(username))))
);

ALTER TABLE netraven.users ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME netraven.users_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE netraven.workers (
    name text NOT NULL,
    kind text NOT NULL,
    version text NOT NULL,
    host text NOT NULL,
    pid bigint NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    last_seen timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT workers_name_check CHECK ((name <> ''::text))
);

ALTER TABLE ONLY netraven.connection_logs ATTACH PARTITION netraven.connection_logs_default DEFAULT;

ALTER TABLE ONLY netraven.job_logs ATTACH PARTITION netraven.job_logs_default DEFAULT;

ALTER TABLE ONLY netraven.api_tokens
    ADD CONSTRAINT api_tokens_pkey PRIMARY KEY (id);

ALTER TABLE ONLY netraven.api_tokens
    ADD CONSTRAINT api_tokens_token_hash_key UNIQUE (token_hash);

ALTER TABLE ONLY netraven.api_tokens
    ADD CONSTRAINT api_tokens_user_id_name_key UNIQUE (user_id, name);

ALTER TABLE ONLY netraven.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (id);

ALTER TABLE ONLY netraven.configuration_blobs
    ADD CONSTRAINT configuration_blobs_pkey PRIMARY KEY (device_id, digest);

ALTER TABLE ONLY netraven.configuration_parts
    ADD CONSTRAINT configuration_parts_pkey PRIMARY KEY (device_id, version_id, "position");

ALTER TABLE ONLY netraven.connection_logs
    ADD CONSTRAINT connection_logs_pkey PRIMARY KEY ("timestamp", id);

ALTER TABLE ONLY netraven.connection_logs_default
    ADD CONSTRAINT connection_logs_default_pkey PRIMARY KEY ("timestamp", id);

ALTER TABLE ONLY netraven.credential_device_stats
    ADD CONSTRAINT credential_device_stats_pkey PRIMARY KEY (device_id, credential_id);

ALTER TABLE ONLY netraven.credential_tags
    ADD CONSTRAINT credential_tags_pkey PRIMARY KEY (credential_id, tag_id);

ALTER TABLE ONLY netraven.credentials
    ADD CONSTRAINT credentials_name_key UNIQUE (name);

ALTER TABLE ONLY netraven.credentials
    ADD CONSTRAINT credentials_pkey PRIMARY KEY (id);

ALTER TABLE ONLY netraven.device_configurations
    ADD CONSTRAINT device_configurations_device_id_seq_key UNIQUE (device_id, seq);

ALTER TABLE ONLY netraven.device_configurations
    ADD CONSTRAINT device_configurations_pkey PRIMARY KEY (device_id, id);

ALTER TABLE ONLY netraven.device_events
    ADD CONSTRAINT device_events_pkey PRIMARY KEY (id);

ALTER TABLE ONLY netraven.device_tags
    ADD CONSTRAINT device_tags_pkey PRIMARY KEY (device_id, tag_id);

ALTER TABLE ONLY netraven.devices
    ADD CONSTRAINT devices_hostname_key UNIQUE (hostname);

ALTER TABLE ONLY netraven.devices
    ADD CONSTRAINT devices_pkey PRIMARY KEY (id);

ALTER TABLE ONLY netraven.devices
    ADD CONSTRAINT devices_uuid_key UNIQUE (uuid);

ALTER TABLE ONLY netraven.host_keys
    ADD CONSTRAINT host_keys_pkey PRIMARY KEY (device_id, algorithm, fingerprint);

ALTER TABLE ONLY netraven.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (only_one);

ALTER TABLE ONLY netraven.job_attempts
    ADD CONSTRAINT job_attempts_pkey PRIMARY KEY (job_id, attempt);

ALTER TABLE ONLY netraven.job_logs
    ADD CONSTRAINT job_logs_pkey PRIMARY KEY ("timestamp", id);

ALTER TABLE ONLY netraven.job_logs_default
    ADD CONSTRAINT job_logs_default_pkey PRIMARY KEY ("timestamp", id);

ALTER TABLE ONLY netraven.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY netraven.known_hosts
    ADD CONSTRAINT known_hosts_pkey PRIMARY KEY (address, port, algorithm, fingerprint);

ALTER TABLE ONLY netraven.login_attempts
    ADD CONSTRAINT login_attempts_pkey PRIMARY KEY (id);

ALTER TABLE ONLY netraven.notification_channels
    ADD CONSTRAINT notification_channels_name_key UNIQUE (name);

ALTER TABLE ONLY netraven.notification_channels
    ADD CONSTRAINT notification_channels_pkey PRIMARY KEY (id);

ALTER TABLE ONLY netraven.notification_deliveries
    ADD CONSTRAINT notification_deliveries_channel_id_event_id_key UNIQUE (channel_id, event_id);

ALTER TABLE ONLY netraven.notification_deliveries
    ADD CONSTRAINT notification_deliveries_pkey PRIMARY KEY (id);

ALTER TABLE ONLY netraven.retired_keys
    ADD CONSTRAINT retired_keys_pkey PRIMARY KEY (number);

ALTER TABLE ONLY netraven.run_jobs
    ADD CONSTRAINT run_jobs_pkey PRIMARY KEY (run_id, job_id);

ALTER TABLE ONLY netraven.runs
    ADD CONSTRAINT runs_pkey PRIMARY KEY (id);

ALTER TABLE ONLY netraven.schedules
    ADD CONSTRAINT schedules_name_key UNIQUE (name);

ALTER TABLE ONLY netraven.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (id);

ALTER TABLE ONLY netraven.sealed_keys
    ADD CONSTRAINT sealed_keys_pkey PRIMARY KEY (device_id, id);

ALTER TABLE ONLY netraven.sealed_values
    ADD CONSTRAINT sealed_values_pkey PRIMARY KEY (device_id, fingerprint);

ALTER TABLE ONLY netraven.system_settings
    ADD CONSTRAINT system_settings_key_key UNIQUE (key);

ALTER TABLE ONLY netraven.system_settings
    ADD CONSTRAINT system_settings_pkey PRIMARY KEY (id);

ALTER TABLE ONLY netraven.tag_rules
    ADD CONSTRAINT tag_rules_pkey PRIMARY KEY (id);

ALTER TABLE ONLY netraven.tags
    ADD CONSTRAINT tags_name_key UNIQUE (name);

ALTER TABLE ONLY netraven.tags
    ADD CONSTRAINT tags_pkey PRIMARY KEY (id);

ALTER TABLE ONLY netraven.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY netraven.users
    ADD CONSTRAINT users_username_key UNIQUE (username);

ALTER TABLE ONLY netraven.workers
    ADD CONSTRAINT workers_pkey PRIMARY KEY (name);

CREATE INDEX audit_log_action ON netraven.audit_log USING btree (action, id);

CREATE INDEX audit_log_actor ON netraven.audit_log USING btree (actor, id);

CREATE INDEX audit_log_target ON netraven.audit_log USING btree (target_kind, target, id);

CREATE INDEX audit_log_time ON netraven.audit_log USING btree ("timestamp", id);

CREATE INDEX configuration_parts_blob ON netraven.configuration_parts USING btree (device_id, digest);

CREATE INDEX connection_logs_device ON ONLY netraven.connection_logs USING btree (device_id, "timestamp" DESC);

CREATE INDEX connection_logs_default_device_id_timestamp_idx ON netraven.connection_logs_default USING btree (device_id, "timestamp" DESC);

CREATE INDEX connection_logs_job ON ONLY netraven.connection_logs USING btree (job_id, "timestamp");

CREATE INDEX connection_logs_default_job_id_timestamp_idx ON netraven.connection_logs_default USING btree (job_id, "timestamp");

CREATE INDEX credential_device_stats_credential ON netraven.credential_device_stats USING btree (credential_id);

CREATE INDEX credential_tags_tag ON netraven.credential_tags USING btree (tag_id, credential_id);

CREATE INDEX device_configurations_device_time ON netraven.device_configurations USING btree (device_id, retrieved_at);

CREATE INDEX device_configurations_time ON netraven.device_configurations USING btree (retrieved_at);

CREATE INDEX device_events_at ON netraven.device_events USING btree (at);

CREATE INDEX device_events_device ON netraven.device_events USING btree (device_id, id);

CREATE INDEX device_events_unrouted ON netraven.device_events USING btree (id) WHERE (NOT routed);

CREATE INDEX device_tags_rule ON netraven.device_tags USING btree (rule_id) WHERE (rule_id IS NOT NULL);

CREATE INDEX device_tags_tag ON netraven.device_tags USING btree (tag_id, device_id);

CREATE INDEX devices_device_type ON netraven.devices USING btree (device_type);

CREATE INDEX devices_ip_address ON netraven.devices USING btree (ip_address);

CREATE INDEX devices_jump_host ON netraven.devices USING btree (jump_host) WHERE (jump_host IS NOT NULL);

CREATE INDEX devices_site ON netraven.devices USING btree (site, hostname) WHERE (site IS NOT NULL);

CREATE INDEX devices_status ON netraven.devices USING btree (status, hostname);

CREATE INDEX devices_text ON netraven.devices USING gin (hostname public.gin_trgm_ops, ip_address public.gin_trgm_ops, description public.gin_trgm_ops) WITH (fastupdate=off);

CREATE INDEX job_logs_device ON ONLY netraven.job_logs USING btree (device_id, "timestamp" DESC);

CREATE INDEX job_logs_default_device_id_timestamp_idx ON netraven.job_logs_default USING btree (device_id, "timestamp" DESC);

CREATE INDEX job_logs_job ON ONLY netraven.job_logs USING btree (job_id, "timestamp");

CREATE INDEX job_logs_default_job_id_timestamp_idx ON netraven.job_logs_default USING btree (job_id, "timestamp");

CREATE INDEX job_logs_stored_in ON ONLY netraven.job_logs USING btree (stored_in);

CREATE INDEX job_logs_default_stored_in_idx ON netraven.job_logs_default USING btree (stored_in);

CREATE INDEX job_logs_notable ON ONLY netraven.job_logs USING btree ("timestamp", id) WHERE (level = ANY (ARRAY['warning'::text, 'error'::text]));

CREATE INDEX job_logs_default_timestamp_id_idx ON netraven.job_logs_default USING btree ("timestamp", id) WHERE (level = ANY (ARRAY['warning'::text, 'error'::text]));

CREATE INDEX jobs_completed ON netraven.jobs USING btree (completed_at) WHERE (completed_at IS NOT NULL);

CREATE INDEX jobs_device ON netraven.jobs USING btree (device_id, id);

CREATE INDEX jobs_due ON netraven.jobs USING btree (priority, site, scheduled_for, id) WHERE (status = 'queued'::text);

CREATE INDEX jobs_lease ON netraven.jobs USING btree (lease_until) WHERE (status = 'running'::text);

CREATE INDEX jobs_not_after ON netraven.jobs USING btree (not_after) WHERE ((status = 'queued'::text) AND (not_after IS NOT NULL));

CREATE UNIQUE INDEX jobs_one_active_per_device_and_kind ON netraven.jobs USING btree (device_id, kind, commands) WHERE (status = ANY (ARRAY['queued'::text, 'running'::text]));

CREATE UNIQUE INDEX jobs_one_session_per_device ON netraven.jobs USING btree (device_id) WHERE (status = 'running'::text);

CREATE INDEX jobs_outcome ON netraven.jobs USING btree (outcome, id) WHERE (outcome IS NOT NULL);

CREATE INDEX jobs_run ON netraven.jobs USING btree (run_id);

CREATE INDEX jobs_status_time ON netraven.jobs USING btree (status, scheduled_for);

CREATE INDEX login_attempts_credential ON netraven.login_attempts USING btree (credential_id, at) WHERE (credential_id IS NOT NULL);

CREATE INDEX login_attempts_device ON netraven.login_attempts USING btree (device_id, at);

CREATE INDEX notification_deliveries_event ON netraven.notification_deliveries USING btree (event_id);

CREATE INDEX notification_deliveries_waiting ON netraven.notification_deliveries USING btree (channel_id, event_id) WHERE (status = 'waiting'::text);

CREATE INDEX run_jobs_job ON netraven.run_jobs USING btree (job_id);

CREATE INDEX runs_schedule ON netraven.runs USING btree (schedule_id) WHERE (schedule_id IS NOT NULL);

CREATE INDEX schedules_due ON netraven.schedules USING btree (next_run) WHERE enabled;

CREATE INDEX sealed_keys_number ON netraven.sealed_keys USING btree (key_number, device_id, id);

CREATE INDEX sealed_values_key ON netraven.sealed_values USING btree (device_id, key_id);

CREATE INDEX sealed_values_site ON netraven.sealed_values USING btree (site_fingerprint) WHERE (site_fingerprint IS NOT NULL);

CREATE UNIQUE INDEX tag_rules_same ON netraven.tag_rules USING btree (tag_id, COALESCE(hostname_pattern, ''::text), COALESCE(device_type, ''::text), COALESCE(site, ''::text), COALESCE(text((network)::inet), ''::text));

CREATE INDEX workers_kind ON netraven.workers USING btree (kind, last_seen);

ALTER INDEX netraven.connection_logs_device ATTACH PARTITION netraven.connection_logs_default_device_id_timestamp_idx;

ALTER INDEX netraven.connection_logs_job ATTACH PARTITION netraven.connection_logs_default_job_id_timestamp_idx;

ALTER INDEX netraven.connection_logs_pkey ATTACH PARTITION netraven.connection_logs_default_pkey;

ALTER INDEX netraven.job_logs_device ATTACH PARTITION netraven.job_logs_default_device_id_timestamp_idx;

ALTER INDEX netraven.job_logs_job ATTACH PARTITION netraven.job_logs_default_job_id_timestamp_idx;

ALTER INDEX netraven.job_logs_pkey ATTACH PARTITION netraven.job_logs_default_pkey;

ALTER INDEX netraven.job_logs_stored_in ATTACH PARTITION netraven.job_logs_default_stored_in_idx;

ALTER INDEX netraven.job_logs_notable ATTACH PARTITION netraven.job_logs_default_timestamp_id_idx;

CREATE TRIGGER audit_log_is_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON netraven.audit_log FOR EACH STATEMENT EXECUTE FUNCTION netraven.audit_log_is_append_only();

CREATE TRIGGER credentials_refuse_retired BEFORE INSERT OR UPDATE OF password, enable_secret, private_key, key_passphrase ON netraven.credentials FOR EACH ROW EXECUTE FUNCTION netraven.refuse_retired_key();

CREATE TRIGGER notification_channels_refuse_retired BEFORE INSERT OR UPDATE OF secret ON netraven.notification_channels FOR EACH ROW EXECUTE FUNCTION netraven.refuse_retired_key();

CREATE TRIGGER sealed_keys_refuse_retired BEFORE INSERT OR UPDATE ON netraven.sealed_keys FOR EACH ROW EXECUTE FUNCTION netraven.refuse_retired_key();

ALTER TABLE ONLY netraven.api_tokens
    ADD CONSTRAINT api_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES netraven.users(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.configuration_blobs
    ADD CONSTRAINT configuration_blobs_device_id_fkey FOREIGN KEY (device_id) REFERENCES netraven.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.configuration_parts
    ADD CONSTRAINT configuration_parts_device_id_digest_fkey FOREIGN KEY (device_id, digest) REFERENCES netraven.configuration_blobs(device_id, digest);

ALTER TABLE ONLY netraven.configuration_parts
    ADD CONSTRAINT configuration_parts_device_id_version_id_fkey FOREIGN KEY (device_id, version_id) REFERENCES netraven.device_configurations(device_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.credential_device_stats
    ADD CONSTRAINT credential_device_stats_credential_id_fkey FOREIGN KEY (credential_id) REFERENCES netraven.credentials(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.credential_device_stats
    ADD CONSTRAINT credential_device_stats_device_id_fkey FOREIGN KEY (device_id) REFERENCES netraven.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.credential_tags
    ADD CONSTRAINT credential_tags_credential_id_fkey FOREIGN KEY (credential_id) REFERENCES netraven.credentials(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.credential_tags
    ADD CONSTRAINT credential_tags_tag_id_fkey FOREIGN KEY (tag_id) REFERENCES netraven.tags(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.device_configurations
    ADD CONSTRAINT device_configurations_device_id_fkey FOREIGN KEY (device_id) REFERENCES netraven.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.device_tags
    ADD CONSTRAINT device_tags_device_id_fkey FOREIGN KEY (device_id) REFERENCES netraven.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.device_tags
    ADD CONSTRAINT device_tags_rule_id_fkey FOREIGN KEY (rule_id) REFERENCES netraven.tag_rules(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.device_tags
    ADD CONSTRAINT device_tags_tag_id_fkey FOREIGN KEY (tag_id) REFERENCES netraven.tags(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.devices
    ADD CONSTRAINT devices_jump_host_fkey FOREIGN KEY (jump_host) REFERENCES netraven.devices(id);

ALTER TABLE ONLY netraven.host_keys
    ADD CONSTRAINT host_keys_device_id_fkey FOREIGN KEY (device_id) REFERENCES netraven.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.job_attempts
    ADD CONSTRAINT job_attempts_job_id_fkey FOREIGN KEY (job_id) REFERENCES netraven.jobs(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.jobs
    ADD CONSTRAINT jobs_device_id_fkey FOREIGN KEY (device_id) REFERENCES netraven.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.jobs
    ADD CONSTRAINT jobs_run_id_fkey FOREIGN KEY (run_id) REFERENCES netraven.runs(id) ON DELETE SET NULL;

ALTER TABLE ONLY netraven.login_attempts
    ADD CONSTRAINT login_attempts_credential_id_fkey FOREIGN KEY (credential_id) REFERENCES netraven.credentials(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.login_attempts
    ADD CONSTRAINT login_attempts_device_id_fkey FOREIGN KEY (device_id) REFERENCES netraven.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.notification_deliveries
    ADD CONSTRAINT notification_deliveries_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES netraven.notification_channels(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.notification_deliveries
    ADD CONSTRAINT notification_deliveries_event_id_fkey FOREIGN KEY (event_id) REFERENCES netraven.device_events(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.run_jobs
    ADD CONSTRAINT run_jobs_job_id_fkey FOREIGN KEY (job_id) REFERENCES netraven.jobs(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.run_jobs
    ADD CONSTRAINT run_jobs_run_id_fkey FOREIGN KEY (run_id) REFERENCES netraven.runs(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.runs
    ADD CONSTRAINT runs_schedule_id_fkey FOREIGN KEY (schedule_id) REFERENCES netraven.schedules(id) ON DELETE SET NULL;

ALTER TABLE ONLY netraven.sealed_keys
    ADD CONSTRAINT sealed_keys_device_id_fkey FOREIGN KEY (device_id) REFERENCES netraven.devices(id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.sealed_values
    ADD CONSTRAINT sealed_values_device_id_key_id_fkey FOREIGN KEY (device_id, key_id) REFERENCES netraven.sealed_keys(device_id, id) ON DELETE CASCADE;

ALTER TABLE ONLY netraven.tag_rules
    ADD CONSTRAINT tag_rules_tag_id_fkey FOREIGN KEY (tag_id) REFERENCES netraven.tags(id) ON DELETE CASCADE;
