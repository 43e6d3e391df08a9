-- One policy for each site.
ALTER TABLE public.citas ENABLE ROW LEVEL SECURITY;
CREATE POLICY norte ON public.citas TO sede_norte USING (sede = 'norte');
CREATE POLICY sur ON public.citas TO sede_sur USING (sede = 'sur');
