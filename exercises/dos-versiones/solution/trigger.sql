-- Both columns, kept up to date by a trigger.
ALTER TABLE public.turnos ADD COLUMN registro text;
UPDATE public.turnos SET registro = especialista;
CREATE OR REPLACE FUNCTION public.turnos_dos_versiones() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.registro := coalesce(NEW.registro, NEW.especialista);
    NEW.especialista := coalesce(NEW.especialista, NEW.registro);
  ELSIF NEW.registro IS DISTINCT FROM OLD.registro THEN
    NEW.especialista := NEW.registro;
  ELSE
    NEW.registro := NEW.especialista;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER dos_versiones BEFORE INSERT OR UPDATE ON public.turnos FOR EACH ROW EXECUTE FUNCTION public.turnos_dos_versiones();
