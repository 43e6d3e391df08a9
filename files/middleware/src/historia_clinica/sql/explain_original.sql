-- La consulta del laboratorio original, que une por p.id
-- p.id no es la columna de distribución: Citus se niega, postgres_fdw trae las filas al coordinador.
SELECT p.nombre, p.apellido, p.ciudad, m.nombre AS medico_nombre, m.especialidad, c.diagnostico, c.fecha_consulta
  FROM pacientes p
  JOIN consultas c ON p.id = c.paciente_id
  JOIN medicos m ON c.medico_id = m.id
 LIMIT 5
