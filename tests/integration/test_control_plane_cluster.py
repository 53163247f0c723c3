"""The control-plane tier has real controllers and simulated nodes, and leaves no processes behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.environment import cluster
from tests.environment.cluster import Cluster, ClusterError, PortTakenError, Tier
from tests.environment.cluster.programs import kubernetes_version
from tests.environment.cluster.wait import wait_until
from tests.support.builders import restricted_deployment

pytestmark = pytest.mark.control_plane

IMAGE = "example.test/nothing:1"
# Starts a cluster, prints when it is ready, and waits to be killed.
HARNESS = """
import sys, time
from pathlib import Path
from tests.environment import cluster
with cluster.start(cluster.Tier.CONTROL_PLANE, state=Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(600)
"""


def processes_naming(directory: Path) -> list[str]:
    """Return the command lines on this machine that contain a directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in words and "HARNESS" not in words and str(os.getpid()) not in path.parts:
            found.append(words)
    return found


def test_startup_time(tmp_path: Path, figure: Callable[[str], None]) -> None:
    started = time.monotonic()
    with cluster.start(Tier.CONTROL_PLANE, state=tmp_path / "state") as running:
        ready = time.monotonic() - started
        version = json.loads(running.run_kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
        assert version == kubernetes_version()
        stopping = time.monotonic()
    figure(f"control plane: ready after {ready:.1f} s, down in {time.monotonic() - stopping:.2f} s")


def test_pods_become_ready_and_are_deleted(control_plane: Cluster, namespace: str) -> None:
    control_plane.run_kubectl(
        "create", "-n", namespace, "-f", "-", stdin=json.dumps(restricted_deployment("web", IMAGE, replicas=3))
    )
    control_plane.run_kubectl("rollout", "status", "deployment/web", "-n", namespace, "--timeout=90s")
    addresses = {pod["status"]["podIP"] for pod in control_plane.get("pods", "-n", namespace)["items"]}
    assert len(addresses) == 3
    control_plane.run_kubectl("delete", "deployment/web", "-n", namespace, "--cascade=foreground", "--timeout=90s")
    wait_until(lambda: not control_plane.get("pods", "-n", namespace)["items"], seconds=60, what="deletion of the pods")


def test_pods_of_jobs_complete(control_plane: Cluster, namespace: str) -> None:
    template = restricted_deployment("once", IMAGE)["spec"]["template"]
    template["spec"]["restartPolicy"] = "Never"
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": {"template": template}}
    control_plane.run_kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(job))
    control_plane.run_kubectl("wait", "--for=condition=Complete", "job/once", "-n", namespace, "--timeout=90s")


def test_namespace_enforces_restricted_pods(control_plane: Cluster, namespace: str) -> None:
    with pytest.raises(ClusterError, match='violates PodSecurity "restricted'):
        control_plane.run_kubectl("run", "root", f"--image={IMAGE}", "-n", namespace)


def test_client_certificate_users(control_plane: Cluster, namespace: str) -> None:
    by_certificate = control_plane.user_kubeconfig("operator", groups=("testers",))
    by_token = control_plane.service_account_kubeconfig(namespace, "default")
    who = ("auth", "whoami", "-o", "json")
    names = [
        json.loads(control_plane.run_kubectl(f"--kubeconfig={path}", *who))["status"]["userInfo"]["username"]
        for path in (by_certificate, by_token)
    ]
    assert names == ["operator", f"system:serviceaccount:{namespace}:default"]
    assert by_certificate.stat().st_mode & 0o077 == 0, "only the owner can read the key"


def test_system_masters_group_is_refused(control_plane: Cluster) -> None:
    with pytest.raises(ClusterError, match="system:masters"):
        control_plane.user_kubeconfig("operator", groups=("system:masters",))


def test_requests_are_in_the_audit_log(control_plane: Cluster, namespace: str) -> None:
    control_plane.run_kubectl("create", "configmap", "seen", "-n", namespace)
    lines = control_plane.audit_log_path().read_text().rpartition("\n")[0].splitlines()
    about = {"resource": "configmaps", "namespace": namespace, "name": "seen", "apiVersion": "v1"}
    events = [event for event in map(json.loads, lines) if event.get("objectRef") == about]
    assert [(event["verb"], event["stage"]) for event in events] == [("create", "ResponseComplete")]
    assert "requestObject" not in events[0], "bodies stay out of the log"


def test_api_server_listens_on_loopback_only(control_plane: Cluster) -> None:
    assert control_plane.server.startswith("https://127.0.0.1:")
    port = int(control_plane.server.rpartition(":")[2])
    # The second column of /proc/net/tcp is the local address; 0100007F is 127.0.0.1.
    listening = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines() if " 0A " in line]
    assert [address for address in listening if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_caller_flags_override_defaults(tmp_path: Path) -> None:
    flags = {"kube-apiserver": ["--feature-gates=HPAScaleToZero=false"]}
    with cluster.start(Tier.CONTROL_PLANE, state=tmp_path / "state", flags=flags) as running:
        gates = running.run_kubectl("get", "--raw", "/metrics").splitlines()
    assert 'kubernetes_feature_enabled{name="HPAScaleToZero",stage="BETA"} 0' in gates


def test_failed_component_is_named_with_its_log(tmp_path: Path) -> None:
    flags = {"kube-scheduler": ["--no-such-flag"]}
    with (
        pytest.raises(ClusterError, match=r"kube-scheduler has ended\.\n.*(\n.*)*unknown flag") as failure,
        cluster.start(Tier.CONTROL_PLANE, state=tmp_path / "state", flags=flags),
    ):
        pass
    assert (tmp_path / "state" / "log" / "kube-scheduler.log").exists(), failure.value
    assert processes_naming(tmp_path) == []


def test_port_in_use_error_message(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(PortTakenError, match=rf"^Port {port} of 127\.0\.0\.1 is taken; choose another one"),
            cluster.start(Tier.CONTROL_PLANE, state=tmp_path / "state", port=port),
        ):
            pass


def test_existing_cluster_is_used_unchanged(control_plane: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    with cluster.start(Tier.EXISTING) as existing:
        assert existing.server == control_plane.server
        users = existing.user_kubeconfig("guest")
        assert '"guest"' in existing.run_kubectl(f"--kubeconfig={users}", "auth", "whoami", "-o", "json")
        with pytest.raises(ClusterError, match=r"Push image\.tar to a registry"):
            existing.load_image(Path("image.tar"))
    assert control_plane.get("nodes")["items"], "the cluster still runs"


def test_existing_cluster_requires_a_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(ClusterError, match="CLUSTER=existing needs KUBECONFIG"), cluster.start(Tier.EXISTING):
        pass


def test_prebuilt_binaries_are_used(control_plane: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "kubectl").symlink_to(control_plane.kubectl)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path / "assets"))
    with cluster.start(Tier.CONTROL_PLANE, state=tmp_path / "state") as running:
        assert running.kubectl == tmp_path / "assets" / "kubectl"
        assert running.get("nodes")["items"]


def test_cluster_runs_from_up_to_down(tmp_path: Path) -> None:
    state = tmp_path / "state"
    command_line("up", state)
    running = cluster.attach(state)
    assert running is not None
    assert command_line("kubeconfig", state).stdout.strip() == str(running.kubeconfig)
    again = command_line("up", state, expected=1)
    assert again.stderr.startswith(f"error: A cluster already runs for {state}: use its kubeconfig")
    assert httpx.get(f"{running.server}/readyz", verify=False, trust_env=False).text == "ok"  # noqa: S501 - is it there?
    command_line("down", state)
    assert cluster.attach(state) is None
    assert not state.exists()
    assert processes_naming(tmp_path) == []


@pytest.mark.parametrize("clean_up", ["down", "next start"])
def test_killed_harness_leaves_no_processes(tmp_path: Path, clean_up: str) -> None:
    state = tmp_path / "state"
    with subprocess.Popen([sys.executable, "-c", HARNESS, state], stdout=subprocess.PIPE) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == b"ready\n"
        with pytest.raises(ClusterError, match=rf"^process {harness.pid} uses the cluster"):
            cluster.down(state)
        os.kill(harness.pid, signal.SIGKILL)
    if clean_up == "down":
        cluster.down(state)
    else:
        with cluster.start(Tier.CONTROL_PLANE, state=state) as running:
            running.run_kubectl("get", "nodes")
    assert processes_naming(tmp_path) == []


def test_down_ends_processes_that_outlive_the_harness(tmp_path: Path) -> None:
    """Systems other than Linux have only the recorded processes, without help of the kernel."""
    state = tmp_path / "state"
    command_line("up", state)
    assert len(processes_naming(state)) == 5
    cluster.down(state)
    assert processes_naming(state) == []


def command_line(command: str, state: Path, *, expected: int = 0) -> subprocess.CompletedProcess[str]:
    """Run `python -m tests.environment.cluster` for the control-plane tier."""
    words = [
        sys.executable,
        "-m",
        "tests.environment.cluster",
        command,
        "--tier",
        "control-plane",
        "--state",
        str(state),
    ]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == expected, result.stderr
    return result
