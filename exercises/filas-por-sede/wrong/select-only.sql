-- fails: writes_own
-- For reading alone.
ALTER TABLE public.citas ENABLE ROW LEVEL SECURITY;
CREATE POLICY propia ON public.citas FOR SELECT USING (current_user = 'sede_' || sede);
