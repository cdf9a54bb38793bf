#!/bin/sh
# demo.sh POLICY.SH POLICY.YAML: the committed policy is the one the timeline gives.
set -eu
"$1" real | diff - "$2"
