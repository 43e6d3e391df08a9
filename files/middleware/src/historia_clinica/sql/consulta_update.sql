UPDATE consultas
   SET medico_id = %(medico_id)s, fecha_consulta = %(fecha_consulta)s, fecha_fin = %(fecha_fin)s, motivo = %(motivo)s,
       codigo_cie10 = %(codigo_cie10)s, diagnostico = %(diagnostico)s, tipo_diagnostico = %(tipo_diagnostico)s,
       diagnostico_relacionado_1 = %(diagnostico_relacionado_1)s, diagnostico_relacionado_2 = %(diagnostico_relacionado_2)s,
       diagnostico_relacionado_3 = %(diagnostico_relacionado_3)s, codigo_cie11 = %(codigo_cie11)s, tratamiento = %(tratamiento)s,
       codigo_cups = %(codigo_cups)s, modalidad = %(modalidad)s, entorno = %(entorno)s, finalidad = %(finalidad)s, causa = %(causa)s
 WHERE paciente_id = %(cedula)s AND id = %(consulta_id)s
