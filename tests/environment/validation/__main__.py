"""Command line: `python -m tests.environment.validation` builds the programs of all supported Kubernetes versions."""

from tests.environment.cluster.programs import kubernetes_minors
from tests.environment.validation import build_program

if __name__ == "__main__":
    for minor in kubernetes_minors():
        build_program(minor)
