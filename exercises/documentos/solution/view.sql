-- Computed whenever it is read.
CREATE VIEW public.documentos AS
SELECT renglon, CASE WHEN tipo IN ('', 'CC') THEN numero ELSE tipo || '-' || numero END AS documento
  FROM (SELECT renglon, substring(limpio FROM '^[A-Z]*') AS tipo, substring(limpio FROM '[0-9]+$') AS numero
          FROM (SELECT renglon, regexp_replace(upper(texto), '[^A-Z0-9]', '', 'g') AS limpio FROM public.documentos_recibidos) AS limpios) AS partes;
