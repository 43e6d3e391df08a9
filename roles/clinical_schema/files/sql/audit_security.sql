-- Who may read and write what is kept of reading and changing: as accesos (row_security.sql says how and why). It is added to, and never
-- changed or taken away by the service. Log-ins that failed are no rows of a person: nobody has said who he is.
SELECT lab.grant('SELECT, INSERT', '{public.cambios,public.accesos_paginas}', '{middleware,api}');
GRANT SELECT, INSERT, UPDATE, DELETE ON lab.intentos TO middleware, api;

-- In a block: Citus sends a command to its shards with the text that it came in, which must hold no other.
DO $$ BEGIN
  ALTER TABLE public.cambios ENABLE ROW LEVEL SECURITY;
  ALTER TABLE public.accesos_paginas ENABLE ROW LEVEL SECURITY;

  DROP POLICY IF EXISTS lectura ON public.cambios;
  CREATE POLICY lectura ON public.cambios FOR SELECT TO api
    USING (split_part(current_setting('historia.persona', true), '/', 1) = 'administrador'
           OR (split_part(current_setting('historia.persona', true), '/', 1) = 'paciente' AND paciente_id = split_part(current_setting('historia.persona', true), '/', 2)));
  DROP POLICY IF EXISTS registro ON public.cambios;
  CREATE POLICY registro ON public.cambios FOR INSERT TO api
    WITH CHECK (split_part(current_setting('historia.persona', true), '/', 1) IN ('administrador', 'medico', 'admisionista')
                AND documento_id = split_part(current_setting('historia.persona', true), '/', 2) AND rol = split_part(current_setting('historia.persona', true), '/', 1));

  -- A page names many patients: none of them may read who the others are.
  DROP POLICY IF EXISTS lectura ON public.accesos_paginas;
  CREATE POLICY lectura ON public.accesos_paginas FOR SELECT TO api
    USING (split_part(current_setting('historia.persona', true), '/', 1) = 'administrador');
  DROP POLICY IF EXISTS registro ON public.accesos_paginas;
  CREATE POLICY registro ON public.accesos_paginas FOR INSERT TO api
    WITH CHECK (split_part(current_setting('historia.persona', true), '/', 1) IN ('administrador', 'medico', 'admisionista', 'resultados')
                AND documento_id = split_part(current_setting('historia.persona', true), '/', 2) AND rol = split_part(current_setting('historia.persona', true), '/', 1));
END $$;

DO $$ BEGIN
  IF lab.engine() = 'postgres_fdw' THEN
    CREATE OR REPLACE TRIGGER registro BEFORE INSERT ON public.cambios FOR EACH STATEMENT
      EXECUTE FUNCTION lab.require_role('administrador', 'medico', 'admisionista');
    CREATE OR REPLACE TRIGGER registro BEFORE INSERT ON public.accesos_paginas FOR EACH STATEMENT
      EXECUTE FUNCTION lab.require_role('administrador', 'medico', 'admisionista', 'resultados');
  END IF;
END $$;
