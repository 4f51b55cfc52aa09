-- Roles of a PostgreSQL database of Dutyline, each with the least rights that it needs.
--
-- Run it as the owner of the tables, with CREATEROLE the first time, after every `manage.py migrate`:
--   psql -v ON_ERROR_STOP=1 --single-transaction -f config/deploy/roles.sql DATABASE
--
--   owner            migrates, and runs this file; no process of the service connects as owner
--   dutyline_app     the web, and the workers of the queues urgent and bulk
--   dutyline_sealer  the worker of the queue default: it seals the log, and nothing else
--   dutyline_eraser  `manage.py erase`, run by hand: it blanks what two people gave up
--
-- The roles are made without a password: nobody connects as one until you give it one.

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['dutyline_app', 'dutyline_sealer', 'dutyline_eraser'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
      EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS', name);
    END IF;
  END LOOP;
END $$;

-- From nothing, so that a right which this file once gave and gives no longer is gone.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, dutyline_app, dutyline_sealer,
  dutyline_eraser;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, dutyline_app, dutyline_sealer,
  dutyline_eraser;
GRANT USAGE ON SCHEMA public TO dutyline_app, dutyline_sealer, dutyline_eraser;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO dutyline_app, dutyline_sealer, dutyline_eraser;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO dutyline_app, dutyline_sealer, dutyline_eraser;

-- The app writes every room's records ...
GRANT INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO dutyline_app;
-- ... deletes what expires and what links, and no record ...
GRANT DELETE ON
  auth_group_permissions, compliance_unclaimed, compliance_user_groups,
  compliance_user_user_permissions, django_session, referrals_accesstoken, referrals_seenonce,
  referrals_storedreply
  TO dutyline_app;
-- ... adds to what a trigger keeps from being changed, and to what nothing ever changes ...
DO $$
DECLARE
  kept regclass;
BEGIN
  FOR kept IN SELECT tgrelid FROM pg_trigger WHERE tgfoid = 'audit_append_only'::regproc LOOP
    EXECUTE format('REVOKE UPDATE, DELETE ON %s FROM dutyline_app', kept);
  END LOOP;
END $$;
REVOKE UPDATE ON compliance_auditoutbox, compliance_view FROM dutyline_app;
-- ... and reads the sealed log.
REVOKE INSERT, UPDATE ON
  compliance_auditcheckpoint, compliance_auditleaf, compliance_audittile, django_migrations
  FROM dutyline_app;

-- The sealer alone takes leaves from the outbox and writes the tree. Its failures are work and events.
GRANT DELETE ON compliance_auditoutbox TO dutyline_sealer;
GRANT INSERT ON
  compliance_auditcheckpoint, compliance_auditcosignature, compliance_auditentry,
  compliance_auditleaf, compliance_auditoutbox, compliance_audittile, compliance_audittimestamp
  TO dutyline_sealer;
GRANT UPDATE ON compliance_audittile TO dutyline_sealer;
GRANT INSERT, UPDATE ON compliance_work TO dutyline_sealer;

-- The eraser alone writes to an entry: its private part, which a trigger lets go only with approval.
GRANT UPDATE (
  changes, changes_text, object_repr, serialized_data, additional_data, actor_email, remote_addr,
  remote_port, purpose, salt
  ) ON compliance_auditentry TO dutyline_eraser;
GRANT INSERT ON compliance_auditentry, compliance_auditoutbox TO dutyline_eraser;
GRANT UPDATE (state, version, erased_at) ON compliance_erasure TO dutyline_eraser;
