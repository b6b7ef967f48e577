# One image for every part: API, runner, migrations, Ray head and workers. docker-compose.yml says who runs what.
FROM python:3.12-slim

# TORCH=cuda takes PyTorch's usual build, for workers with a GPU.
ARG TORCH=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1

RUN useradd --uid 10001 --create-home regatta && install -d -o regatta /data
WORKDIR /app
COPY requirements.lock pyproject.toml ./
# The lock as a constraint: what runs, without the tools of development.
RUN python -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb'))['project']; print('\n'.join(p['dependencies'] + p['optional-dependencies']['kernels']))" > /tmp/wanted \
    && index=$([ "$TORCH" = cpu ] && echo "--extra-index-url https://download.pytorch.org/whl/cpu" || true) \
    && pip install $index --constraint requirements.lock --requirement /tmp/wanted \
    && rm /tmp/wanted
COPY search search
COPY models models
COPY workers workers
COPY migrations migrations
COPY service service
COPY alembic.ini ./

ENV PYTHONPATH=/app REGATTA_DATA_DIR=/data
USER regatta
# Kernels are compiled here once, not by every container.
RUN python -c "from models.pack import warm_up; warm_up()"
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["python", "-m", "service", "up", "--host", "0.0.0.0"]
