# shellcheck shell=bash
# The whole record, of the version that was read.
CLAVE=$(psql -XqAt -c "SELECT clave FROM public.recepcion")
TOKEN=$(curl -sSf "$API/api/v1/sesiones" -H "Content-Type: application/json" -d "{\"documento_id\": \"1999900101\", \"clave\": \"$CLAVE\"}" | sed 's/.*"token": *"\([^"]*\)".*/\1/')
api() { curl -sSf "$@" "$API/api/v1/pacientes/1999900102" -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json"; }
etag() { api -o /dev/null -D - | tr -d "\r" | sed -n "s/^[Ee][Tt]ag: //p"; }
api -X PUT -H "If-Match: $(etag)" -d '{"nombre": "Ana", "apellido": "Rey", "fecha_nacimiento": "1990-05-17", "sexo": "F", "correo": "ana@ejemplo.co", "telefono": "6015550199", "ciudad": "Pasto"}'
api -X PUT -H "If-Match: $(etag)" -d '{"nombre": "Ana", "apellido": "Rey", "fecha_nacimiento": "1990-05-17", "sexo": "F", "correo": "ana@ejemplo.co", "telefono": "6015550199", "ciudad": "Tunja"}'
