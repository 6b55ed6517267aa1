-- A large installation after three months: 10,000 devices with 20 versions each, 300 runs of 200 jobs, their logs.
-- Everything follows from the row's number, so that each run of the test sees the same data. Only the times are
-- counted back from now, as the log tables' partitions are.

-- Foreign keys hold by construction; checking them row by row would take longer than writing the rows.
SET session_replication_role = replica;
SET search_path = netraven;

INSERT INTO tags (name, type) SELECT 'tag-' || lpad(n::text, 2, '0'), 'role' FROM generate_series(1, 20) n;

INSERT INTO devices (id, hostname, ip_address, device_type, site, description, serial_number, status, last_seen)
OVERRIDING SYSTEM VALUE
SELECT n, format('site-%s-sw-%s', lpad((n % 200)::text, 3, '0'), lpad(n::text, 5, '0')),
    format('10.%s.%s.%s', n / 65536, n / 256 % 256, n % 256),
    CASE WHEN n % 1000 = 7 THEN 'rare_os' ELSE (ARRAY ['cisco_ios', 'juniper_junos', 'arista_eos', 'frr'])[n % 4 + 1] END,
    'site-' || lpad((n % 200)::text, 3, '0'), 'rack ' || md5(n::text), 'SN' || md5('serial' || n),
    CASE WHEN n % 100 < 95 THEN 'ok' WHEN n % 100 < 98 THEN 'failing' WHEN n % 100 = 98 THEN 'disabled' ELSE 'new' END,
    now() - n * interval '1 minute'
FROM generate_series(1, 10000) n;

INSERT INTO device_tags (device_id, tag_id)
SELECT n, t.id FROM generate_series(1, 10000) n
JOIN tags t ON t.name IN ('default', 'tag-' || lpad((n % 20 + 1)::text, 2, '0'));
WITH rare AS (INSERT INTO tags (name, type) VALUES ('rare', 'role') RETURNING id)
INSERT INTO device_tags (device_id, tag_id) SELECT n, id FROM generate_series(2000, 10000, 2000) n, rare;
WITH ruled AS (INSERT INTO tags (name, type) VALUES ('ruled', 'role') RETURNING id),
    rule AS (INSERT INTO tag_rules (tag_id, site) SELECT id, 'site-042' FROM ruled RETURNING id, tag_id)
INSERT INTO device_tags (device_id, tag_id, rule_id)
SELECT d.id, rule.tag_id, rule.id FROM devices d, rule WHERE d.site = 'site-042';

INSERT INTO host_keys (device_id, algorithm, fingerprint, key)
SELECT n, 'ssh-ed25519', 'SHA256:' || md5(n::text), 'AAAA' || md5(n::text) FROM generate_series(1, 10000) n;

INSERT INTO credentials (id, name, username, password, priority)
SELECT n, 'credential-' || n, 'backup', sha256(n::text::bytea), n % 7 FROM generate_series(1, 100) n;
INSERT INTO credential_tags (credential_id, tag_id)
SELECT n, t.id FROM generate_series(1, 100) n JOIN tags t ON t.name = 'tag-' || lpad((n % 20 + 1)::text, 2, '0');
INSERT INTO credential_device_stats (device_id, credential_id, last_used, success_rate)
SELECT n, n % 100 + 1, now(), 0.9 FROM generate_series(1, 10000) n;

-- Each text is an MD5 sum in hexadecimal, packed as a Zstandard frame of one raw block (RFC 8878, section 3.1.1).
CREATE TEMPORARY TABLE texts AS
SELECT d AS device_id, v AS seq, (d - 1) * 20 + v AS id, convert_to(md5(d || ' ' || v), 'UTF8') AS text
FROM generate_series(1, 10000) d, generate_series(1, 20) v;
INSERT INTO device_configurations (id, device_id, seq, config_data, retrieved_at, last_seen, significant_hash,
    platform_digest, size_bytes)
OVERRIDING SYSTEM VALUE
SELECT id, device_id, seq, CASE seq WHEN 20 THEN convert_from(text, 'UTF8') END,
    now() - (21 - seq) * interval '5 days' + device_id * interval '1 second', now() - (20 - seq) * interval '5 days',
    sha256(text), sha256('platform'), 32
FROM texts;
INSERT INTO configuration_blobs (device_id, digest, encoding, content, size_bytes)
SELECT device_id, sha256(text), 'zstd', '\x28b52ffd2020010100'::bytea || text, 32 FROM texts;
INSERT INTO configuration_parts (device_id, version_id, position, name, command, kind, digest, size_bytes)
SELECT device_id, id, 0, 'running-config', 'show running-config', 'config', sha256(text), 32 FROM texts;

INSERT INTO schedules (name, kind, every_seconds, first_run, target, next_run)
SELECT 'schedule-' || n, 'backup', 86400, now(), '"all"', now() + n * interval '1 hour' FROM generate_series(1, 20) n;
INSERT INTO runs (id, kind, origin, schedule_id, target, requested_by, created_at) OVERRIDING SYSTEM VALUE
SELECT n, 'backup', 'schedule', n % 20 + 1, '"all"', 'schedule', now() - (301 - n) * interval '7 hours'
FROM generate_series(1, 300) n;

-- The last run is under way: 150 jobs wait, 50 run.
INSERT INTO jobs (id, device_id, run_id, kind, status, outcome, scheduled_for, started_at, completed_at, attempts,
    error_code, lease_until, worker, version_id, created_at)
OVERRIDING SYSTEM VALUE
SELECT n, d, run, 'backup', status, CASE WHEN status = 'done' THEN outcome END, at,
    CASE WHEN status <> 'queued' THEN at END, CASE WHEN status = 'done' THEN at + interval '9 seconds' END,
    CASE WHEN status <> 'queued' THEN 1 ELSE 0 END, CASE WHEN status = 'done' AND outcome = 'failed' THEN 'timeout' END,
    CASE WHEN status = 'running' THEN now() + interval '1 minute' END, CASE WHEN status <> 'queued' THEN 'w1' END,
    (d - 1) * 20 + 20, at
FROM generate_series(1, 60000) n, LATERAL (SELECT (n * 7) % 10000 + 1 AS d, (n - 1) / 200 + 1 AS run) a,
    LATERAL (SELECT now() - (301 - run) * interval '7 hours' AS at,
        CASE WHEN n > 59950 THEN 'running' WHEN run = 300 THEN 'queued' ELSE 'done' END AS status,
        CASE WHEN n % 6000 = 11 THEN 'skipped' WHEN n % 100 < 3 THEN 'failed' WHEN n % 100 < 10 THEN 'changed'
            ELSE 'unchanged' END AS outcome) b;
UPDATE devices d SET session_job = j.id, session_token = 1 FROM jobs j WHERE j.device_id = d.id AND j.status = 'running';
INSERT INTO run_jobs (run_id, job_id) SELECT run_id, id FROM jobs;
INSERT INTO job_attempts (job_id, attempt, worker, started_at, completed_at, outcome, error_code, credential_id)
SELECT id, 1, worker, started_at, completed_at, outcome, error_code, id % 100 + 1 FROM jobs WHERE status = 'done';

INSERT INTO job_logs (job_id, device_id, timestamp, level, event, message, success)
SELECT j.id, j.device_id, j.started_at + n * interval '1 second', 'info', 'connected', 'event ' || n, true
FROM jobs j, generate_series(1, 4) n WHERE j.status = 'done' AND (n < 4 OR j.id % 3 = 0);
INSERT INTO connection_logs (job_id, device_id, timestamp, log)
SELECT id, device_id, completed_at, 'a dialogue' FROM jobs WHERE status = 'done' AND id % 3 = 0;

INSERT INTO users (username, role) SELECT 'user-' || n, 'viewer' FROM generate_series(1, 100) n;
INSERT INTO api_tokens (user_id, name, token_hash, prefix)
SELECT u.id, 'token', sha256(u.username::bytea), 'nrt_' FROM users u;
INSERT INTO audit_log (timestamp, actor, actor_kind, action, target_kind, target)
SELECT now() - n * interval '1 hour', 'user-' || n % 100 + 1, 'user', 'device.removed', 'device', n::text
FROM generate_series(1, 5000) n;
INSERT INTO system_settings (key, value) SELECT 'example.' || n, to_jsonb(n) FROM generate_series(1, 50) n;
INSERT INTO workers (name, kind, version, host, pid) SELECT 'w' || n, 'worker', '1', 'host', n FROM generate_series(1, 4) n;

SELECT setval(pg_get_serial_sequence(name, 'id'), 1000000)
FROM unnest(ARRAY ['devices', 'device_configurations', 'runs', 'jobs', 'credentials']) AS name;
