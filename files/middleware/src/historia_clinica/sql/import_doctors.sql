SELECT id, registro, activo FROM medicos
