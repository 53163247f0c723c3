"""Fixtures of all tests: clusters that start on first use, and figures that the summary prints.

The summary also shows where the time goes. `make test` runs pytest under a supervisor, which fails if the run leaves
anything behind on this machine (tests/environment/suite).
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.environment.suite.file_times import MIN_SHOWN_SECONDS, Clock, FileTime, table_of
from tests.environment.suite.scheduling import Scheduling

pytest_plugins = ["tests.environment.cluster.fixtures", "tests.support.control_plane"]

# The time that an example takes is that of the machine, and no property.
settings.register_profile("tests", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")

FIGURES = pytest.StashKey[list[str]]()
TIMES = pytest.StashKey[list[dict[str, Any]]]()
CLOCK = pytest.StashKey[Clock]()


def pytest_configure(config: pytest.Config) -> None:
    """Start the clock of this process."""
    worker = getattr(config, "workerinput", {}).get("workerid", "main")
    config.stash[CLOCK] = Clock(worker)
    config.stash[FIGURES], config.stash[TIMES] = [], []


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Give each worker the files that it can run best."""
    return Scheduling(config, log)


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keep a measured figure for the end of the run. Times are printed, never asserted."""
    return request.config.stash[FIGURES].append


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    """Measure the test's file."""
    item.config.stash[CLOCK].count_test(item.nodeid.partition("::")[0])
    return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over the figures and times of a worker that has ended."""
    output = getattr(node, "workeroutput", {})
    node.config.stash[FIGURES].extend(output.get("figures", []))
    node.config.stash[TIMES].extend(output.get("times", []))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send a worker's figures and times to the process that started it."""
    stash = session.config.stash
    stash[CLOCK].stop()
    stash[TIMES].extend(stash[CLOCK].times())
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["figures"], output["times"] = stash[FIGURES], stash[TIMES]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures above pytest's last line."""
    figures, times = config.stash[FIGURES], config.stash[TIMES]
    if figures:
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.write_line(line)
    if any(entry["wall"] >= MIN_SHOWN_SECONDS for entry in times):
        terminalreporter.section("where the time goes")
        for line in table_of(FileTime(**entry) for entry in times):
            terminalreporter.write_line(line)
