"""A private Docker engine, made of Debian's packages without installing them: for kind, and for `docker build`.

    with engine.start(visible=[context]) as running:
        running.docker.run("build", "--tag=example.test/a:1", context)

Nothing of the machine changes: neither its kernel settings, nor its firewall, nor its packages. No container reaches
another network.
"""

from tests.environment.cluster import ClusterError
from tests.environment.engine.docker import Container, Docker, docker_runs
from tests.environment.engine.engine import Engine, missing_support, start

__all__ = ["ClusterError", "Container", "Docker", "Engine", "docker_runs", "missing_support", "start"]
