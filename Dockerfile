# The service of `cladescope serve`, with all its encoders. docs/serve.md says how it is run.
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY cladescope cladescope
COPY analysis analysis
COPY app app
COPY embedding embedding
COPY index index
COPY training training
RUN python -m venv /opt/cladescope \
    && /opt/cladescope/bin/pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && /opt/cladescope/bin/pip install --no-cache-dir --constraint constraints.txt "$(echo /wheels/*.whl)[serve]"

FROM python:3.11.14-slim-bookworm AS serve
COPY --from=build /opt/cladescope /opt/cladescope
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /cache --shell /usr/sbin/nologin cladescope \
    && install --directory --owner cladescope --group cladescope /cache /data
# All that is kept beside the store lies below /cache, so that the root may be read-only.
ENV PATH=/opt/cladescope/bin:$PATH \
    HOME=/cache \
    XDG_CACHE_HOME=/cache \
    MPLCONFIGDIR=/cache/matplotlib \
    NUMBA_CACHE_DIR=/cache/numba \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
VOLUME /cache
USER 10001:10001
EXPOSE 8000
# /api/v1/health needs no token.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/api/v1/health', timeout=4)"]
# The token comes from the environment variable CLADESCOPE_TOKEN: without one it does not start.
ENTRYPOINT ["cladescope", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD ["/data"]
