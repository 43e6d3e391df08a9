-- A page of who changed what of a patient, with what was there, the newest first.
SELECT json_build_object('paciente_id', paciente_id, 'id', id, 'documento_id', documento_id, 'rol', rol,
                         'accion', accion, 'motivo', motivo, 'tabla', tabla, 'fila', fila, 'antes', antes,
                         'momento', to_char(momento AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text AS cuerpo
  FROM cambios
 WHERE paciente_id = %(cedula)s
   AND momento <= %(despues_momento)s  -- optional
   AND (momento < %(despues_momento)s OR id < %(despues_id)s)  -- optional
 ORDER BY momento DESC, id DESC
 LIMIT %(limite)s + 1
