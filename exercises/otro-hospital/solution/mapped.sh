# shellcheck shell=bash
# The mapping says what the file does not.
# shellcheck source=exercises/otro-hospital/referral.sh
. ../referral.sh
take 2
