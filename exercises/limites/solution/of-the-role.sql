-- Of the role, wherever it goes.
ALTER ROLE informes CONNECTION LIMIT 3;
ALTER ROLE informes SET statement_timeout = '5s';
ALTER ROLE informes SET idle_in_transaction_session_timeout = '1min';
