# shellcheck shell=bash
# fails: exactly_two
# One key for the same words.
CLAVE=$(psql -XqAt -c "SELECT clave FROM public.remitente")
TOKEN=$(curl -sSf "$API/api/v1/sesiones" -H "Content-Type: application/json" -d "{\"documento_id\": \"1999900121\", \"clave\": \"$CLAVE\"}" | sed 's/.*"token": *"\([^"]*\)".*/\1/')
BODY='{"medico_id": "1", "motivo": "Remisión", "codigo_cie10": "J00", "diagnostico": "Resfriado"}'
send() { curl -sSf "$API/api/v1/pacientes/1999900122/consultas" -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d "$BODY" "$@"; }
for _ in 1 2 3 4; do send -H "Idempotency-Key: remision"; done
