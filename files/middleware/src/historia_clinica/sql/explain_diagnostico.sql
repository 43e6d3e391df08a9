SELECT count(*)
  FROM consultas
 WHERE codigo_cie10 = 'J06.9'
