# The production image: API, worker and migrations. No embedded engine, no simulator's dependencies, no test tools.
FROM python:3.13-slim AS build
COPY requirements.lock /tmp/
RUN python -m venv /opt/numbergate \
    && /opt/numbergate/bin/pip install --no-cache-dir --require-hashes --requirement /tmp/requirements.lock

FROM python:3.13-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin numbergate
COPY --from=build /opt/numbergate /opt/numbergate
WORKDIR /app
COPY alembic alembic
COPY service service
RUN rm -r service/embedded service/simulator
ENV PATH=/opt/numbergate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NUMBERGATE_LOG_FORMAT=json
USER 10001
EXPOSE 8080
ENTRYPOINT ["python", "-m", "service"]
CMD ["serve", "--host", "0.0.0.0"]
