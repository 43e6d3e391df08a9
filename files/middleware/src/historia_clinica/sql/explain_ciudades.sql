-- Cuántos pacientes hay en cada ciudad
-- Sin cédula hay que preguntar a todos los fragmentos; el coordinador suma lo que cada uno contó.
SELECT ciudad, count(*) AS pacientes
  FROM pacientes
 GROUP BY ciudad
 ORDER BY pacientes DESC
 LIMIT 5
