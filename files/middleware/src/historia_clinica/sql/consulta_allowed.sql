-- A row if there is the patient; whether the doctor attends, NULL if there is none. One query, and in one shard.
SELECT (SELECT m.activo FROM medicos m WHERE m.id = %(medico_id)s) AS activo
  FROM pacientes p
 WHERE p.cedula = %(cedula)s
