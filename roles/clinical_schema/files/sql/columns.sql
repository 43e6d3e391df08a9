-- Columns that a lab of an older version was given just now.
COMMENT ON COLUMN public.usuario.medico_id IS 'Qué médico es (medicos.id); nulo si no es médico';
COMMENT ON COLUMN public.pacientes.tipo_documento IS 'Tipo de documento, tomado de cedula; lo piden RIPS (Resolución 948 de 2026) y RDA (Resolución 1888 de 2025)';
COMMENT ON COLUMN public.pacientes.numero_documento IS 'Número del documento, tomado de cedula; lo piden RIPS (Resolución 948 de 2026) y RDA (Resolución 1888 de 2025)';
COMMENT ON COLUMN public.pacientes.orden IS 'Clave para ordenar y buscar por apellidos y nombres, generada: sin tildes ni mayúsculas, la ñ (n~) después de la n';
COMMENT ON COLUMN public.medicos.clave_registro IS 'Clave del registro, generada: sin tildes ni mayúsculas; no hay dos iguales';
