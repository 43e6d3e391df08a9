-- What logging in needs to know of a user. Who is a doctor that was retired may no more than a user that was.
SELECT u.rol, u.medico_id::text AS medico_id, u.activo AND NOT coalesce(u.rol = 'medico' AND NOT m.activo, false) AS activo,
       u.activo AS usuario_activo, u.clave_hash
  FROM usuario u LEFT JOIN medicos m ON m.id = u.medico_id
 WHERE u.documento_id = %(documento_id)s
