-- fails: hides_others
-- Policies without the switch.
CREATE POLICY propia ON public.citas USING (current_user = 'sede_' || sede);
