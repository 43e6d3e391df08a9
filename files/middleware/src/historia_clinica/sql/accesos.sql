-- A page of who read the history of a patient, the newest first.
SELECT json_build_object('paciente_id', paciente_id, 'id', id, 'documento_id', documento_id, 'rol', rol,
                         'accion', accion, 'motivo', motivo,
                         'momento', to_char(momento AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text AS cuerpo
  FROM accesos
 WHERE paciente_id = %(cedula)s
   AND momento <= %(despues_momento)s  -- optional
   AND (momento < %(despues_momento)s OR id < %(despues_id)s)  -- optional
 ORDER BY momento DESC, id DESC
 LIMIT %(limite)s + 1
