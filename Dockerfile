# Two images from one file: `tollgate` (the default) is the product, `sandbox` the local Stripe.

# A tag may be moved to other bytes; what is built for production names a digest:
#   docker build --build-arg PYTHON_IMAGE=python:3.13.9-slim@sha256:…   (docs/deployment.md)
ARG PYTHON_IMAGE=python:3.13.9-slim
FROM ${PYTHON_IMAGE} AS base
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --system --uid 10001 --home-dir /app tollgate
WORKDIR /app


FROM base AS sandbox-packages
COPY requirements/sandbox.txt requirements/
RUN python -m venv /venv && /venv/bin/pip install --require-hashes -r requirements/sandbox.txt


FROM base AS sandbox
COPY --from=sandbox-packages /venv /venv
COPY sandbox sandbox
RUN mkdir /state && chown tollgate /state
USER tollgate
VOLUME /state
EXPOSE 8010
ENTRYPOINT ["/venv/bin/python", "-m", "sandbox", "--host", "0.0.0.0", "--port", "8010", \
            "--state", "/state/sandbox.sqlite3"]


FROM base AS packages
# The optional parts of requirements/, separated by spaces:
#   docker build --build-arg EXTRAS="graphql kafka otel temporal"
ARG EXTRAS=""
COPY requirements/*.txt requirements/
RUN python -m venv /venv && /venv/bin/pip install --require-hashes \
    $(for name in production grpc $EXTRAS; do echo "-r requirements/$name.txt"; done)


# The protos as descriptors: the product has no compiler.
FROM base AS protos
COPY requirements/protos.txt requirements/
RUN python -m venv /venv && /venv/bin/pip install --require-hashes -r requirements/protos.txt
COPY rpc rpc
RUN /venv/bin/python -m rpc.build


FROM base AS static
COPY --from=packages /venv /venv
COPY . .
# Settings refuse to load without these; none of the values leaves this stage.
RUN ENCRYPTION_KEYS="build:$(head -c 32 /dev/urandom | base64 -w 0)" \
    SECRET_KEY="$(head -c 48 /dev/urandom | base64 -w 0)" DATABASE_URL=postgres://build/build REDIS_URL=redis://build \
    PUBLIC_URL=https://build ALLOWED_HOSTS=build TRUSTED_PROXIES=none \
    STRIPE_SECRET_KEY=sk_build STRIPE_WEBHOOK_SECRETS=whsec_build \
    DJANGO_SETTINGS_MODULE=config.settings.production \
    /venv/bin/python manage.py collectstatic --no-input


FROM base AS tollgate
ENV PATH=/venv/bin:$PATH DJANGO_SETTINGS_MODULE=config.settings.production \
    GRANIAN_INTERFACE=rsgi GRANIAN_HTTP=1 GRANIAN_WEBSOCKETS=false \
    GRANIAN_HOST=0.0.0.0 GRANIAN_PORT=8000 GRANIAN_WORKERS=2 GRANIAN_WORKERS_KILL_TIMEOUT=30 \
    GRANIAN_HTTP1_HEADER_READ_TIMEOUT=10000 GRANIAN_BACKLOG=2048 GRANIAN_BACKPRESSURE=4096 \
    GRANIAN_RESPAWN_FAILED_WORKERS=true MALLOC_ARENA_MAX=2
COPY --from=packages /venv /venv
COPY . .
# The user of the container writes no files, so each process would compile everything anew.
RUN python -m compileall -q .
COPY --from=static /app/staticfiles staticfiles
COPY --from=protos /app/rpc/protos/built.binpb rpc/protos/
USER tollgate
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "deploy/healthcheck.py"]
CMD ["python", "-m", "config.serve", "config.rsgi:application"]
