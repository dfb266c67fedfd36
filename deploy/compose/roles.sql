-- Run once, by the database's superuser, as it is made. docs/operate.md says what each role is for. The passwords stand
-- in files that this server alone can read here; `compose.yaml` puts them there.
\set migrate_password `cat /run/secrets/database_migrate_password`
\set api_password `cat /run/secrets/database_api_password`
\set worker_password `cat /run/secrets/database_worker_password`

CREATE ROLE numbergate_owner NOLOGIN;
CREATE ROLE numbergate_api NOLOGIN;
CREATE ROLE numbergate_worker NOLOGIN;
CREATE ROLE numbergate_finance NOLOGIN;

CREATE ROLE gate_migrate LOGIN NOINHERIT PASSWORD :'migrate_password';
CREATE ROLE gate_api LOGIN NOINHERIT PASSWORD :'api_password';
CREATE ROLE gate_worker LOGIN NOINHERIT PASSWORD :'worker_password';
GRANT numbergate_owner TO gate_migrate;
GRANT numbergate_api TO gate_api;
GRANT numbergate_worker TO gate_worker;

CREATE DATABASE numbergate OWNER numbergate_owner;
