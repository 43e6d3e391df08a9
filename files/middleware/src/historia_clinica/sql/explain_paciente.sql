-- Un paciente por su cédula
-- La cédula dice el fragmento: una sola tarea, en un solo nodo.
SELECT nombre, apellido, ciudad
  FROM pacientes
 WHERE cedula = %(cedula)s
