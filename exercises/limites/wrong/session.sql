-- fails: statements
-- Of one's own session, which ends.
ALTER ROLE informes CONNECTION LIMIT 3;
SET statement_timeout = '5s';
SET idle_in_transaction_session_timeout = '1min';
