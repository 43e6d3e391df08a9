-- fails: every_line
-- What does not say its type is left out.
CREATE VIEW public.documentos AS
SELECT renglon, regexp_replace(regexp_replace(upper(texto), '[^A-Z0-9]', '', 'g'), '^CC', '') AS documento FROM public.documentos_recibidos WHERE texto ~* '[a-z]';
