-- fails: statements
-- Seconds were meant; minutes were typed.
ALTER ROLE informes CONNECTION LIMIT 3;
ALTER ROLE informes SET statement_timeout = '5min';
ALTER ROLE informes SET idle_in_transaction_session_timeout = '1min';
