-- Las consultas de cada ciudad
-- Pacientes y consultas se reparten por la misma columna: cada nodo une sus fragmentos, ninguna fila viaja. Con postgres_fdw, solo si no hay reglas de acceso: el coordinador comprueba cada fila antes de unirla.
SELECT p.ciudad, count(*) AS consultas
  FROM pacientes p
  JOIN consultas c ON c.paciente_id = p.cedula
 GROUP BY p.ciudad
 ORDER BY consultas DESC
 LIMIT 5
