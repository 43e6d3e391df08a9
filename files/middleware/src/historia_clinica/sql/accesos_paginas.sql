-- A page of who was shown which pages, the newest first.
SELECT json_build_object('documento_id', documento_id, 'id', id, 'rol', rol, 'accion', accion, 'motivo', motivo,
                         'pacientes', pacientes, 'consultas', consultas,
                         'momento', to_char(momento AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text AS cuerpo
  FROM accesos_paginas
 WHERE true
   AND documento_id = %(documento_id)s  -- optional
   AND pacientes @> ARRAY[%(cedula)s::text]  -- optional
   AND momento <= %(despues_momento)s  -- optional
   AND (momento < %(despues_momento)s OR id < %(despues_id)s)  -- optional
 ORDER BY momento DESC, id DESC
 LIMIT %(limite)s + 1
