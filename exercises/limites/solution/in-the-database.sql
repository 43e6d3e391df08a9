-- Of the role in this database.
ALTER ROLE informes CONNECTION LIMIT 3;
ALTER ROLE informes IN DATABASE historia_clinica SET statement_timeout = 5000;
ALTER ROLE informes IN DATABASE historia_clinica SET idle_in_transaction_session_timeout = '30s';
