-- What a purchase leaves behind, for those that do it in few lines: as many rows, in as many places, as ours.
CREATE TABLE keys (key text PRIMARY KEY, tenant_id text NOT NULL);
CREATE TABLE quotas (
  tenant_id text PRIMARY KEY, most int NOT NULL, used int NOT NULL DEFAULT 0, reserved int NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE TABLE intents (
  id uuid PRIMARY KEY, tenant_id text NOT NULL, organization_id text NOT NULL, user_id text NOT NULL,
  area_code text NOT NULL, state text NOT NULL, admitted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  decided_at timestamptz, number_id uuid, answer jsonb
) WITH (fillfactor = 70);
CREATE TABLE idempotency_keys (
  tenant_id text, key text, fingerprint text NOT NULL, intent_id uuid NOT NULL, PRIMARY KEY (tenant_id, key)
);
CREATE TABLE attempts (
  intent_id uuid PRIMARY KEY, admitted_at timestamptz NOT NULL DEFAULT clock_timestamp(), ended_at timestamptz,
  heard text
) WITH (fillfactor = 70);
CREATE TABLE numbers (
  id uuid PRIMARY KEY, tenant_id text NOT NULL, organization_id text NOT NULL, user_id text NOT NULL,
  phone_number text NOT NULL UNIQUE, area_code text NOT NULL, nickname text, state text NOT NULL,
  intent_id uuid NOT NULL, acquired_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON numbers (organization_id, user_id, acquired_at, id);
CREATE TABLE audit (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
  tenant_id text NOT NULL, action text NOT NULL, object_id text NOT NULL, after jsonb
);
CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
  tenant_id text NOT NULL, kind text NOT NULL, payload jsonb NOT NULL
);
