-- One diagnosis, or a page of them: a condition that was not asked for is left out (search).
SELECT json_build_object('codigo', codigo, 'descripcion', descripcion, 'sexo', sexo)::text AS cuerpo
  FROM cie10
 WHERE true
   AND codigo = %(codigo)s  -- optional
   AND codigo > %(despues)s  -- optional
   AND (descripcion IS NULL) = %(marcado)s  -- optional
   AND regexp_replace(replace(lower(normalize(descripcion, NFKD)), 'n' || chr(771), 'n~'), '[\u0300-\u036f]', '', 'g') ~ %(descripcion)s  -- optional
 ORDER BY codigo
 LIMIT %(limite)s + 1
