-- fails: one_form
-- Only what stands at the ends.
CREATE VIEW public.documentos AS SELECT renglon, btrim(texto) AS documento FROM public.documentos_recibidos;
