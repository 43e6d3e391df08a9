DROP FUNCTION IF EXISTS public.turnos_dos_versiones() CASCADE;
