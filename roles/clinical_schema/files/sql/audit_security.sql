-- What is kept of reading and changing is added to, and never changed or taken away by the service. Who may read and write it: row_security.sql.
-- Log-ins that failed are no rows of a person: nobody has said who he is.
SELECT lab.grant('SELECT, INSERT', '{public.cambios,public.accesos_paginas}', '{middleware,api}');
GRANT SELECT, INSERT, UPDATE, DELETE ON lab.intentos TO middleware, api;
