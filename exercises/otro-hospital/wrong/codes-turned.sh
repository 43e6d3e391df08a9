# shellcheck shell=bash
# fails: patients_there
# The codes the other way round.
# shellcheck source=exercises/otro-hospital/referral.sh
. ../referral.sh
change remitidos.yml 's/"1": F, "2": M/"1": M, "2": F/'
take 2
