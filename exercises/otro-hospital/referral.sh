# shellcheck shell=bash
# The other hospital's file, and a mapping that is right: what the answers share, each of which may change them first.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/remitidos.csv" <<"CSV"
Clase;Nro;Nombres;Apellidos;Nacimiento;Genero;Municipio;Fecha;Hora;Medico;Motivo;Codigo;Diagnostico
CC;1.999.900.111;Rosa;Díaz Ruiz;21/03/1985;1;Cali;05/02/2026;2:30 p. m.;1;Tos y fiebre;j06.9;Infección respiratoria aguda
TI;1999900112;Luis;Díaz Ruiz;02/05/2014;2;Cali;;;;;;
CC;1999900113;Eva;Peña;31/02/1979;1;Buga;;;;;;
CC;1999900114;Juan;Gil;10/11/1960;2;Buga;06/02/2026;8:05 a. m.;1;Control;i10;Hipertensión
CSV
cat > "$folder/remitidos.yml" <<"YAML"
paciente:
  cedula: [Clase, Nro]
  nombre: Nombres
  apellido: Apellidos
  fecha_nacimiento: Nacimiento
  sexo: Genero
  ciudad: Municipio
consulta:
  medico_id: Medico
  fecha_consulta: [Fecha, Hora]
  motivo: Motivo
  codigo_cie10: Codigo
  diagnostico: Diagnostico
valores:
  sexo: {"1": F, "2": M}
YAML

change() { # change FILE EXPRESSION: edit a file; macOS' sed has another -i
  sed "$2" "$folder/$1" > "$folder/changed"
  mv "$folder/changed" "$folder/$1"
}

take() { # take CODE: import, which has to end with this code: 2 where rows were refused and the others are there
  local code=0
  "$LAB_DIRECTORY/bin/import" "$folder/remitidos.csv" --mapping "$folder/remitidos.yml" || code=$?
  [[ $code == "$1" ]]
}
