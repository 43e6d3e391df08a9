# shellcheck shell=bash
# A user of the API, with a password of this stage alone. Neither password nor hash stands in an argument.
CLAVE=$(python -c 'import secrets; print(secrets.token_urlsafe(12))')
HASH=$(python -c 'import sys, argon2; print(argon2.PasswordHasher(2, 19456, 1).hash(sys.stdin.readline().strip()))' <<<"$CLAVE")
export CLAVE HASH
psql -XqAt -v ON_ERROR_STOP=1 <<'SQL'
\getenv clave CLAVE
\getenv hash HASH
INSERT INTO public.usuario (documento_id, nombre, edad, rol, clave_hash, medico_id) VALUES ('1999900121', 'Remitente', 30, 'medico', :'hash', 1);
CREATE TABLE public.remitente AS SELECT '1999900121' AS documento_id, :'clave' AS clave;
INSERT INTO public.pacientes (cedula, nombre, apellido, fecha_nacimiento, sexo, ciudad, telefono, correo)
VALUES ('1999900122', 'Ana', 'Rey', '1990-05-17', 'F', 'Pasto', '6015550101', 'ana@ejemplo.co');
SELECT '{}';
SQL
