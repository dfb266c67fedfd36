# The production image: API, worker and migrations, one process a container. No embedded engine, no simulator (see
# .dockerignore), no test tools, no compiler and no pip. Nothing is written but below /tmp, so that the root file system
# may be read-only: exports, uploaded invoices and pages of the audit log that are too large for memory are put there.
FROM python:3.13-slim-bookworm AS build
COPY requirements.lock /tmp/
RUN python -m venv --without-pip /opt/numbergate \
    && pip --python /opt/numbergate/bin/python install --no-cache-dir --only-binary :all: --require-hashes \
        --requirement /tmp/requirements.lock
COPY alembic /app/alembic
COPY service /app/service
# Compiled once, here: a process that may not write would compile everything at every start. Source is never changed
# afterwards, so it need not be looked at, whatever time of change its files have by then.
RUN /opt/numbergate/bin/python -m compileall -q --invalidation-mode unchecked-hash /app

FROM python:3.13-slim-bookworm
ARG VERSION=unversioned
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Numbergate" \
      org.opencontainers.image.description="A multi-tenant gateway that buys phone numbers from Teli once, never loses one, and explains every charge." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13-slim-bookworm"
# What installs packages is of use to an intruder alone.
RUN useradd --uid 10001 --no-log-init --no-create-home --shell /usr/sbin/nologin numbergate \
    && rm -rf /usr/local/bin/pip* /usr/local/lib/python3.*/site-packages/pip* /usr/local/lib/python3.*/ensurepip
COPY --from=build /opt/numbergate /opt/numbergate
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/opt/numbergate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NUMBERGATE_LOG_FORMAT=json
# By number: Kubernetes cannot tell of a name that it is not root's.
USER 10001:10001
EXPOSE 8080
# Of `serve` on its own port. The worker and the migrations do not listen there: whoever starts them says otherwise.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-I", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 8080, timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["python", "-m", "service"]
CMD ["serve", "--host", "0.0.0.0"]
