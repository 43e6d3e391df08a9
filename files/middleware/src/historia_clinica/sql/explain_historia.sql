-- La historia de un paciente
-- Sus consultas están en el mismo nodo y los médicos en todos: sigue siendo una tarea.
SELECT p.nombre, p.apellido, m.nombre AS medico, m.especialidad, c.diagnostico, c.fecha_consulta
  FROM pacientes p
  JOIN consultas c ON c.paciente_id = p.cedula
  JOIN medicos m ON m.id = c.medico_id
 WHERE p.cedula = %(cedula)s AND c.paciente_id = %(cedula)s
