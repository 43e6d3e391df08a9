SELECT c.paciente_id, c.id, c.fecha_consulta, c.motivo, c.codigo_cie10, c.diagnostico, c.tratamiento,
       m.id AS medico_id, m.nombre AS medico, m.especialidad, m.registro, m.ciudad, m.activo
  FROM consultas c
  JOIN medicos m ON m.id = c.medico_id
 WHERE c.paciente_id = %(cedula)s
 ORDER BY c.fecha_consulta DESC, c.id
