SELECT ciudad, count(*) AS pacientes
  FROM pacientes
 GROUP BY ciudad
 ORDER BY pacientes DESC
 LIMIT 5
