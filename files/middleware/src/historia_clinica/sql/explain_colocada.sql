SELECT p.ciudad, count(*) AS consultas
  FROM pacientes p
  JOIN consultas c ON c.paciente_id = p.cedula
 GROUP BY p.ciudad
 ORDER BY consultas DESC
 LIMIT 5
