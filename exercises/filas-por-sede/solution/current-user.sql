-- One policy for whoever asks.
ALTER TABLE public.citas ENABLE ROW LEVEL SECURITY;
CREATE POLICY propia ON public.citas USING (current_user = 'sede_' || sede);
