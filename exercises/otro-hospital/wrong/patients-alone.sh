# shellcheck shell=bash
# fails: consultations_there
# Patients alone.
# shellcheck source=exercises/otro-hospital/referral.sh
. ../referral.sh
change remitidos.yml '/^consulta:/,/^  diagnostico/d'
change remitidos.csv 's/^\(\([^;]*;\)\{6\}[^;]*\);.*/\1/'
take 2
