#!/bin/sh
# What a release contains besides the code: compiled modules and the static files in staticfiles/.
# The settings refuse to load without these variables; none of the values leaves this script.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${1:-.venv/bin/python}

"$PYTHON" -m compileall -q -j 0 \
    billing common config console delivery entitlements events graph_api projects rpc usage webhooks
ENCRYPTION_KEYS="build:$(head -c 32 /dev/urandom | base64 -w 0)" \
SECRET_KEY="$(head -c 48 /dev/urandom | base64 -w 0)" \
DATABASE_URL=postgres://build/build REDIS_URL=redis://build \
PUBLIC_URL=https://build ALLOWED_HOSTS=build TRUSTED_PROXIES=none STRIPE_SECRET_KEY=none \
DJANGO_SETTINGS_MODULE=config.settings.production \
    "$PYTHON" manage.py collectstatic --no-input
