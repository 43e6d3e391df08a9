-- The original lab's two users, who have no password yet.
INSERT INTO public.usuario (documento_id, nombre, edad, rol)
SELECT v.documento_id, v.nombre, v.edad, v.rol
  FROM (VALUES ('1072319876', 'Luis Herrera', 56, 'medico'),
               ('1078912345', 'Ana María Soto', 34, 'admisionista')) AS v (documento_id, nombre, edad, rol)
 WHERE v.documento_id NOT IN (SELECT documento_id FROM public.usuario);
