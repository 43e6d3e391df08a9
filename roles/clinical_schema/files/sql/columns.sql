-- Columns that a lab of an older version was given just now.
COMMENT ON COLUMN public.usuario.medico_id IS 'Qué médico es (medicos.id); nulo si no es médico';
COMMENT ON COLUMN public.pacientes.tipo_documento IS 'Tipo de documento, tomado de cedula; lo piden RIPS (Resolución 948 de 2026) y RDA (Resolución 1888 de 2025)';
COMMENT ON COLUMN public.pacientes.numero_documento IS 'Número del documento, tomado de cedula; lo piden RIPS (Resolución 948 de 2026) y RDA (Resolución 1888 de 2025)';
COMMENT ON COLUMN public.pacientes.orden IS 'Clave para ordenar y buscar por apellidos y nombres, generada: sin tildes ni mayúsculas, la ñ (n~) después de la n';
COMMENT ON COLUMN public.medicos.clave_registro IS 'Clave del registro, generada: sin tildes ni mayúsculas; no hay dos iguales';
COMMENT ON COLUMN public.pacientes.primer_nombre IS 'Primer nombre; nulo si no se sabe en qué partes va el nombre; RDA (Resolución 1888 de 2025)';
COMMENT ON COLUMN public.pacientes.segundo_nombre IS 'Segundo nombre, o los demás; RDA (Resolución 1888 de 2025)';
COMMENT ON COLUMN public.pacientes.primer_apellido IS 'Primer apellido; nulo si no se sabe en qué partes va el apellido; RDA (Resolución 1888 de 2025)';
COMMENT ON COLUMN public.pacientes.segundo_apellido IS 'Segundo apellido, si tiene; RDA (Resolución 1888 de 2025)';
COMMENT ON COLUMN public.pacientes.nombre_sin_partes IS 'Verdadero si el nombre o el apellido está entero y falta separarlo en sus partes; generada';
COMMENT ON COLUMN public.pacientes.zona_residencia IS 'Zona de residencia: 01 urbana, 02 rural; nula si no se sabe; RIPS (Resolución 948 de 2026) y RDA (Resolución 1888 de 2025)';
COMMENT ON COLUMN public.pacientes.pais_residencia IS 'País de residencia, código numérico de ISO 3166-1 (170 es Colombia); RIPS (Resolución 948 de 2026) y RDA (Resolución 1888 de 2025)';
COMMENT ON COLUMN public.pacientes.nacionalidad IS 'País de nacionalidad, código numérico de ISO 3166-1; nulo si no se sabe; RIPS (Resolución 948 de 2026) y RDA (Resolución 1888 de 2025)';
COMMENT ON COLUMN public.pacientes.etnia IS 'Pertenencia étnica: 1 a 6, o 99 si ninguna de ellas; RDA (Resolución 1888 de 2025)';
COMMENT ON COLUMN public.pacientes.discapacidad IS 'Categoría de discapacidad: 01 a 07, o 08 si no tiene; RDA (Resolución 1888 de 2025)';
COMMENT ON COLUMN public.pacientes.tipo_usuario IS 'Tipo de usuario, 01 a 14; 12 es particular; RIPS (Resolución 948 de 2026)';
