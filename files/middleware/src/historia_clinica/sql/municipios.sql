-- One municipality, or a page of them: a condition that was not asked for is left out (search).
SELECT json_build_object('codigo_municipio', codigo_municipio, 'nombre', nombre, 'codigo_departamento', codigo_departamento,
                         'departamento', departamento, 'nombre_comun', nombre_comun)::text AS cuerpo
  FROM municipios
 WHERE true
   AND codigo_municipio = %(codigo_municipio)s  -- optional
   AND codigo_municipio > %(despues)s  -- optional
   AND regexp_replace(replace(lower(normalize(nombre, NFKD)), 'n' || chr(771), 'n~'), '[\u0300-\u036f]', '', 'g') ~ %(nombre)s  -- optional
   AND regexp_replace(replace(lower(normalize(departamento, NFKD)), 'n' || chr(771), 'n~'), '[\u0300-\u036f]', '', 'g') ~ %(departamento)s  -- optional
 ORDER BY codigo_municipio
 LIMIT %(limite)s + 1
