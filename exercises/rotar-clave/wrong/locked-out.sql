-- fails: logs_in
-- Locked out: the program, too.
ALTER ROLE integracion NOLOGIN PASSWORD NULL;
