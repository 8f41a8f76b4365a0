#!/bin/sh
# Takes SECRET_KEY from the file that `infra.docker.init keys` wrote, unless it is set already.
# A container without a secret would sign with the published default, so it does not start.
set -eu
secret_file=/keys/secret.env
if [ -z "${SECRET_KEY:-}" ]; then
    if [ -r "$secret_file" ]; then
        SECRET_KEY=$(sed -n 's/^SECRET_KEY=//p' "$secret_file")
        export SECRET_KEY
    fi
    case "$*" in
        *infra.docker.init*) unset SECRET_KEY ;;
        *) : "${SECRET_KEY:?set it, or mount the keys volume at /keys}" ;;
    esac
fi
# Who looks at VAR_DIR alone finds the keys there, too. Several containers may do this at once.
if [ -n "${KEYS_FILE:-}" ] && [ -w "${VAR_DIR:-}" ] && [ ! -e "$VAR_DIR/keys.json" ]; then
    ln -s "$KEYS_FILE" "$VAR_DIR/keys.json" 2>/dev/null || true
fi
exec "$@"
