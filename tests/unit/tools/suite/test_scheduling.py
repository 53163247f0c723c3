from pathlib import Path

from tests.environment.suite.scheduling import SECONDS, next_file

ROOT = Path(__file__).parents[4]
NODE, PLANE, ANY = "tests/e2e/test_demo.py", "tests/integration/test_drift.py", "tests/unit/test_manifests.py"


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
