-- Citus sends a change of owner to every node: only where it changes something.
DO $$
DECLARE
  tabla regclass;
BEGIN
  FOREACH tabla IN ARRAY ARRAY['public.medicos', 'public.municipios', 'public.cie10', 'public.pacientes', 'public.consultas', 'public.usuario', 'public.solicitudes', 'public.accesos', 'public.cambios',
                                'public.accesos_paginas', 'lab.institucion', 'lab.sesiones', 'lab.intentos', 'lab.sample_chunks']::regclass[] LOOP
    IF (SELECT relowner FROM pg_class WHERE oid = tabla) <> 'clinical_owner'::regrole THEN
      EXECUTE format('ALTER TABLE %s OWNER TO clinical_owner', tabla);
    END IF;
  END LOOP;
END $$;
