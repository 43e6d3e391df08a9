-- Las consultas de cada especialidad
-- Los médicos están copiados en todos los nodos; Citus los une allí, postgres_fdw en el coordinador.
SELECT m.especialidad, count(*) AS consultas
  FROM consultas c
  JOIN medicos m ON m.id = c.medico_id
 GROUP BY m.especialidad
 ORDER BY consultas DESC
 LIMIT 5
