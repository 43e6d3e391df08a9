DROP TABLE IF EXISTS public.recetas;
DROP TABLE IF EXISTS public.recetas_recibidas;
DO $$ BEGIN
  IF to_regclass('public.respuestas') IS NOT NULL THEN
    DELETE FROM public.respuestas WHERE ejercicio = 'recetas-junto-al-paciente';
  END IF;
END $$;
