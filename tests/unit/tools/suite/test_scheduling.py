from dataclasses import dataclass
from pathlib import Path

from tests.environment.suite.scheduling import SECONDS, Scheduling, next_file

ROOT = Path(__file__).parents[4]
NODE, PLANE, ANY = "tests/e2e/test_demo.py", "tests/integration/test_apply.py", "tests/unit/test_manifests.py"


def test_node_worker_prefers_node_tests() -> None:
    assert next_file([ANY, PLANE, NODE], runs_node_tests=True) == NODE


def test_node_worker_starts_no_control_plane() -> None:
    assert next_file([PLANE, ANY], runs_node_tests=True) == ANY
    assert next_file([PLANE], runs_node_tests=True) is None


def test_other_workers_start_no_node() -> None:
    assert next_file([NODE, ANY, PLANE], runs_node_tests=False) == PLANE
    assert next_file([NODE], runs_node_tests=False) is None


def test_slowest_file_comes_first() -> None:
    slowest = max((file for file in SECONDS if file.startswith("tests/integration/")), key=SECONDS.__getitem__)
    assert next_file([PLANE, slowest, "tests/integration/test_new.py"], runs_node_tests=False) == slowest


def test_measured_files_exist() -> None:
    assert [file for file in SECONDS if not (ROOT / file).exists()] == []


@dataclass(frozen=True)
class Gateway:
    """The connection to a worker."""

    id: str


@dataclass(frozen=True)
class Worker:
    """A worker as the scheduler sees it."""

    gateway: Gateway


def worker(number: int) -> Worker:
    return Worker(Gateway(f"gw{number}"))


def scheduling(waiting: list[str], assigned: dict[int, list[str]]) -> tuple[Scheduling, list[Worker]]:
    scheduler = object.__new__(Scheduling)
    workers = [worker(number) for number in assigned]
    scheduler.workqueue = {key: {} for key in waiting}
    scheduler.assigned_work = {it: {key: {} for key in assigned[int(it.gateway.id[2:])]} for it in workers}
    return scheduler, workers


def test_first_worker_runs_the_node_tests() -> None:
    scheduler, [first, second] = scheduling([NODE, PLANE], {0: [], 1: []})
    assert scheduler.next_for(first) == NODE
    assert scheduler.next_for(second) == PLANE


def test_control_plane_worker_outlives_the_node_worker() -> None:
    scheduler, [second, third] = scheduling([PLANE], {1: [PLANE], 2: [PLANE]})
    assert scheduler.next_for(second) == PLANE
    assert scheduler.next_for(third) == PLANE


def test_node_worker_stays_without_a_control_plane() -> None:
    scheduler, [first, _] = scheduling([PLANE], {0: [NODE], 1: [PLANE]})
    assert scheduler.next_for(first) is None
