"""Distribution of the test files over the workers of pytest-xdist.

The first worker runs the tests of the node, which share one node. The others run the tests of the control plane, each
with a separate control plane. What needs neither goes to any worker that has nothing else. Files that take long come
first, so that all workers end at about the same time.
"""

from collections.abc import Iterable
from typing import Any

from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

NODE, CONTROL_PLANE = "tests/e2e/", "tests/integration/"
MIN_PENDING = 2
"""Tests that a worker must know of: it starts one only when it knows the next."""
SECONDS: dict[str, float] = {
    "tests/e2e/test_failure_gallery.py": 150,
    "tests/e2e/test_loader.py": 140,
    "tests/e2e/test_cli.py": 100,
    "tests/e2e/test_node_cluster.py": 80,
    "tests/e2e/test_demo.py": 30,
    "tests/e2e/test_rollout_traffic.py": 25,
    "tests/e2e/test_sdk.py": 60,
    "tests/integration/sdk/test_sdk.py": 60,
    "tests/integration/test_gitops.py": 140,
    "tests/sweeps/test_co_owned_fields.py": 210,
    "tests/sweeps/test_crash_sweep.py": 200,
    "tests/sweeps/test_immutable_fields.py": 190,
    "tests/sweeps/test_permission_sweep.py": 180,
    "tests/sweeps/test_fights.py": 150,
    "tests/sweeps/test_conversions.py": 110,
    "tests/sweeps/test_judge.py": 310,
    "tests/sweeps/test_stored_values.py": 230,
    "tests/sweeps/test_drift.py": 80,
    "tests/sweeps/test_many_pods.py": 50,
    "tests/integration/test_quiet_watches.py": 210,
    "tests/integration/test_ownership.py": 120,
    "tests/sweeps/test_adoption_sweep.py": 100,
    "tests/sweeps/test_name_conflicts.py": 60,
    "tests/integration/test_adoption.py": 60,
    "tests/sweeps/test_bad_input.py": 110,
    "tests/integration/test_write_budget.py": 100,
    "tests/integration/test_reconcile.py": 90,
    "tests/integration/test_bench.py": 80,
    "tests/integration/test_secure_metrics.py": 80,
    "tests/integration/test_informer_faults.py": 70,
    "tests/integration/test_control_plane_cluster.py": 60,
    "tests/integration/test_poison_objects.py": 60,
    "tests/integration/test_apply.py": 50,
    "tests/integration/test_cel_rules.py": 45,
    "tests/integration/cli/test_examples.py": 60,
    "tests/integration/cli/test_scale.py": 50,
    "tests/integration/cli/test_reading.py": 45,
    "tests/integration/cli/test_faults.py": 35,
    "tests/integration/cli/test_judge.py": 35,
    "tests/integration/cli/test_diff.py": 35,
    "tests/integration/test_operator_upgrade.py": 40,
    "tests/integration/test_foreign_fields.py": 45,
    "tests/integration/test_leader_election.py": 40,
    "tests/integration/test_scaling.py": 30,
    "tests/integration/test_policies.py": 15,
    "tests/integration/test_namespace_deletion.py": 15,
    "tests/loader/test_https.py": 30,
    "tests/loader/test_faults.py": 25,
    "tests/loader/test_content_encoding.py": 25,
    "tests/loader/test_mlflow.py": 20,
}
"""Measured times of the slow files; they only decide the order."""


def file_of(nodeid: str) -> str:
    """Return the file of a test."""
    return nodeid.partition("::")[0]


def next_file(waiting: Iterable[str], *, runs_node_tests: bool) -> str | None:
    """Return the file that a worker runs next, or None if no file is left that it can run.

    The worker of the node tests starts no control plane: two clusters on one worker would both run until its end.
    """
    own, other = (NODE, CONTROL_PLANE) if runs_node_tests else (CONTROL_PLANE, NODE)
    possible = [file for file in waiting if not file.startswith(other)]
    return min(possible, key=lambda file: (not file.startswith(own), -SECONDS.get(file, 0.0)), default=None)


class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Gives each worker whole files."""

    def _split_scope(self, nodeid: str) -> str:
        return file_of(nodeid)

    def next_for(self, node: Any) -> str | None:
        """Return the file that a worker runs next, or None if no file is left that it can run."""
        if len(self.nodes) == 1:
            return min(self.workqueue, key=lambda file: -SECONDS.get(file, 0.0), default=None)
        # When the worker of the node has ended, the next one is first, and has a control plane.
        first = min(worker.gateway.id for worker in self.nodes)
        has_node_tests = any(file.startswith(NODE) for file in (*self.workqueue, *self.assigned_work[node]))
        return next_file(self.workqueue, runs_node_tests=has_node_tests and node.gateway.id == first)

    def _assign_work_unit(self, node: Any) -> None:
        file = self.next_for(node)
        if file is not None:
            self.workqueue.move_to_end(file, last=False)
            super()._assign_work_unit(node)

    def _reschedule(self, node: Any) -> None:
        if node.shutting_down:
            return
        while self._pending_of(self.assigned_work[node]) < MIN_PENDING and self.next_for(node) is not None:
            self._assign_work_unit(node)
        if self.next_for(node) is None:
            node.shutdown()
