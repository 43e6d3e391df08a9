-- One row more than the page holds says whether there is a next page. Never the hash of a password.
SELECT documento_id, nombre, edad, rol
  FROM usuario
 WHERE documento_id > %(despues)s
 ORDER BY documento_id
 LIMIT %(limite)s + 1
