"""`check` names what was broken on a real API server, and no longer once it is mended."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.environment.cluster import Cluster
from tests.support.installation import ROOT

pytestmark = pytest.mark.control_plane

VERSION = "modelservice.dev/version"
CRD = "crd/modelservices.modelservice.dev"
BINDING = "validatingadmissionpolicybinding/modelservice-references"


def findings(kubeconfig: Path) -> dict[str, str]:
    """Return the level of each finding, by its id."""
    command = [sys.executable, "-m", "modelservice_operator", "check", "--kubeconfig", str(kubeconfig), "-o", "json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stderr == ""
    found = {one["id"]: one["level"] for one in json.loads(result.stdout)["findings"]}
    assert result.returncode == ("error" in found.values())
    return found


@pytest.mark.parametrize(
    ("finding_id", "command"),
    [
        ("crd-older", ("annotate", CRD, f"{VERSION}=0.0.1", "--overwrite")),
        ("policy-not-bound", ("delete", BINDING)),
    ],
)
def test_change_is_found_until_it_is_mended(
    control_plane: Cluster, operator_kubeconfig: Path, finding_id: str, command: tuple[str, ...]
) -> None:
    assert operator_kubeconfig.exists()  # the CRD, the roles and the policies are installed
    assert finding_id not in findings(control_plane.kubeconfig)
    control_plane.run_kubectl(*command)
    try:
        assert findings(control_plane.kubeconfig)[finding_id] == "warning"
    finally:
        control_plane.run_kubectl("apply", "--server-side", "--force-conflicts", "-k", str(ROOT / "manifests"))
        control_plane.run_kubectl("delete", "deployment", "modelservice-operator", "-n", "modelservice-system")
    assert finding_id not in findings(control_plane.kubeconfig)


def test_operator_reports_what_it_must_not_read(operator_kubeconfig: Path) -> None:
    found = findings(operator_kubeconfig)
    assert {"crd", "operator-missing"} <= set(found)
    assert {name for name in found if name.endswith("-unreadable")} >= {"crd-unreadable", "webhooks-unreadable"}
