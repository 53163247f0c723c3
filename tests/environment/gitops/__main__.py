"""Command line: `python -m tests.environment.gitops` builds what the tests of GitOps need."""

from tests.environment.gitops.judges import build_health_program

if __name__ == "__main__":
    build_health_program()
