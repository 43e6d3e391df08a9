# shellcheck shell=bash
# fails: mistake_outside
# The row with the mistake is mended by a guess.
# shellcheck source=exercises/otro-hospital/referral.sh
. ../referral.sh
change remitidos.csv 's|31/02/1979|28/02/1979|'
take 0
