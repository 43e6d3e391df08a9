CREATE TABLE public.recetas_recibidas AS
SELECT c.id, c.paciente_id, c.codigo_cie10 AS codigo, 1 + abs(hashtext(c.id::text)) % 3 AS cajas FROM public.consultas AS c;
ALTER TABLE public.recetas_recibidas ADD PRIMARY KEY (id);
SELECT json_build_object('rows', count(*), 'sum', sum(hashtext(concat_ws('|', id, paciente_id, codigo, cajas))::bigint))
  FROM public.recetas_recibidas;
