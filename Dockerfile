# The project's images. `docker build --target operator .` needs nothing else; BASE_IMAGE may be any image with Python
# 3.11 or newer as python3, and /bin/sh. VERSION and REVISION become labels.
#
# The stages uv, environment, dependencies, loader-dependencies and project are for building; the others are shipped.
# Another server is two more stages, as for the loader: NAME-dependencies, with a group of pyproject.toml, and NAME.
ARG BASE_IMAGE=docker.io/library/python:3.11.14-slim-bookworm

FROM ${BASE_IMAGE} AS uv
# Set it to a file inside the image when a TLS-inspecting proxy stands between the build and the package index.
ARG SSL_CERT_FILE
WORKDIR /opt/uv
COPY requirements-uv.txt uv-*.whl ./
# A wheel in the build context saves the base image from needing pip; both ways check the locked hashes.
RUN set -eu; set -- uv-*.whl; \
    if [ -f "$1" ]; then \
        grep -q "sha256:$(sha256sum "$1" | cut -d' ' -f1)" requirements-uv.txt \
            || { echo "$1 has none of the hashes in requirements-uv.txt" >&2; exit 1; }; \
        python3 -m zipfile -e "$1" .; mkdir bin; mv uv-*.data/scripts/uv bin/uv; chmod 0755 bin/uv; \
    else \
        python3 -m pip install ${SSL_CERT_FILE:+--cert "$SSL_CERT_FILE"} --no-cache-dir --no-deps --require-hashes \
            --target . -r requirements-uv.txt; \
    fi
# With a cache of uv in the build context, the build needs no network. ADD unpacks it, and requires one file that exists.
ADD requirements-uv.txt uv-cache*.tar ./cache/

FROM uv AS environment
ENV UV_PYTHON=python3 UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/app/venv UV_LINK_MODE=copy \
    UV_CACHE_DIR=/opt/uv/cache PYTHONHASHSEED=0
WORKDIR /src
COPY pyproject.toml uv.lock ./

# One process compiles, in the order of the names: with several, the bytecode differs from build to build. Bytecode of
# unchecked hashes stays valid whatever the files' times are, and serves a read-only file system.
FROM environment AS dependencies
ARG SSL_CERT_FILE
# Optional extras of the operator, such as tracing (docs/logs.md); none by default.
ARG OPERATOR_EXTRAS
RUN /opt/uv/bin/uv sync --frozen --no-dev --no-install-project ${OPERATOR_EXTRAS:+--extra "$OPERATOR_EXTRAS"} \
    && rm -rf /app/venv/.lock "$UV_CACHE_DIR" \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /app/venv/lib

# Client libraries of the model stores, without dependencies of the operator.
FROM environment AS loader-dependencies
ARG SSL_CERT_FILE
RUN /opt/uv/bin/uv sync --frozen --only-group loader --no-install-project && rm -rf /app/venv/.lock "$UV_CACHE_DIR" \
    && echo /app/site > "$(echo /app/venv/lib/python3*/site-packages)/loader.pth" \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /app/venv/lib

# The project's code is next to the environment, not in it: a code change does not change the large layer.
FROM environment AS project
COPY README.md LICENSE ./
COPY operator ./operator
RUN /opt/uv/bin/uv build --offline --wheel --out-dir /wheel . && python3 -m zipfile -e /wheel/*.whl /app/site \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /app/site
# The command of docs/check.md, by the name that it has where the wheel is installed.
RUN mkdir /app/bin && printf '%s\n' '#!/app/venv/bin/python3' 'import runpy' \
        'runpy.run_module("modelservice_operator", run_name="__main__", alter_sys=True)' > /app/bin/modelservice-operator \
    && chmod 0755 /app/bin/modelservice-operator

FROM ${BASE_IMAGE} AS loader
COPY --from=loader-dependencies /app/venv /app/venv
COPY --from=project /app/site/model_loader /app/site/model_loader
USER 10001:10001
# Isolated: variables that a webhook adds to pods must not change the behaviour of Python.
ENTRYPOINT ["/app/venv/bin/python3", "-IBu", "-m", "model_loader"]
# Last: another version changes no layer.
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="ModelService loader" \
      org.opencontainers.image.description="Downloads and verifies a model before its server starts" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://modelservice.dev" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

FROM ${BASE_IMAGE} AS operator
ENV PATH=/app/venv/bin:$PATH PYTHONPATH=/app/site PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
COPY --from=dependencies /app/venv /app/venv
COPY --from=project /app/site/modelservice_operator /app/site/modelservice_operator
COPY --from=project /app/bin/modelservice-operator /app/venv/bin/modelservice-operator
USER 10001:10001
ENTRYPOINT ["/app/venv/bin/python3", "-m", "modelservice_operator"]
CMD ["run"]
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="ModelService operator" \
      org.opencontainers.image.description="Turns one small object into a running, autoscaled model endpoint" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://modelservice.dev" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
