-- A row if there is the patient: when he was born, and whether the doctor attends, NULL if there is none. One query, and in one shard.
SELECT p.fecha_nacimiento, (SELECT m.activo FROM medicos m WHERE m.id = %(medico_id)s) AS activo
  FROM pacientes p
 WHERE p.cedula = %(cedula)s
