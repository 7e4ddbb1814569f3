#!/bin/sh
# The operator's CLI on the Node of this package.
contexts="${XDG_CONFIG_HOME:-${HOME:-/root}/.config}/drover"
# On the platform's own machine root needs no login; whoever has contexts has said where to go.
if [ -z "${DROVER_DATA_DIR:-}${DROVER_URL:-}${DROVER_TOKEN:-}${DROVER_CONTEXT:-}" ] &&
  [ -r /var/lib/drover/admin.token ] && [ ! -e "$contexts" ]; then
  export DROVER_DATA_DIR=/var/lib/drover
fi
exec /usr/lib/drover/bin/node /usr/lib/drover/bin/drover.mjs "$@"
