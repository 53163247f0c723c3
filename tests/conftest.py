"""Fixtures of all tests: clusters that start when they are asked for, and figures that the summary prints.

With pytest-xdist (as `make test` has it) there are two workers: one for what needs the control plane, one for the rest.
The tests wait more than they work, and the tiers wait beside each other.
"""

from collections.abc import Callable
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

pytest_plugins = ["tests.environment.cluster.fixtures"]

FIGURES = pytest.StashKey[list[str]]()


class TierScheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Gives each worker a tier."""

    def _split_scope(self, nodeid: str) -> str:
        return "control plane" if nodeid.startswith("tests/integration/") else "node"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TierScheduling:
    """Keep what shares a cluster together."""
    return TierScheduling(config, log)


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keep a measured figure for the end of the run. Times are printed, never asserted."""
    return request.config.stash.setdefault(FIGURES, []).append


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over the figures of a worker that has ended."""
    found = getattr(node, "workeroutput", {}).get("figures", [])
    node.config.stash.setdefault(FIGURES, []).extend(found)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand a worker's figures to who started it."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["figures"] = session.config.stash.get(FIGURES, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures above pytest's last line."""
    figures = config.stash.get(FIGURES, [])
    if figures:
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.write_line(line)
