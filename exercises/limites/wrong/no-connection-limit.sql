-- fails: sessions
-- The limit of sessions is forgotten.
ALTER ROLE informes SET statement_timeout = '5s';
ALTER ROLE informes SET idle_in_transaction_session_timeout = '1min';
