-- Written once.
CREATE TABLE public.documentos AS
SELECT renglon, regexp_replace(regexp_replace(regexp_replace(upper(texto), '[^A-Z0-9]', '', 'g'), '^CC', ''), '^([A-Z]+)', '\1-') AS documento
  FROM public.documentos_recibidos;
