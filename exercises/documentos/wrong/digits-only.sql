-- fails: two_persons
-- Digits identify a person, do they not?
CREATE VIEW public.documentos AS SELECT renglon, regexp_replace(texto, '[^0-9]', '', 'g') AS documento FROM public.documentos_recibidos;
