UPDATE consultas
   SET medico_id = %(medico_id)s, fecha_consulta = %(fecha_consulta)s, motivo = %(motivo)s,
       codigo_cie10 = %(codigo_cie10)s, diagnostico = %(diagnostico)s, tratamiento = %(tratamiento)s
 WHERE paciente_id = %(cedula)s AND id = %(consulta_id)s
