"""The node tier runs real pods with metrics and without external network, and leaves nothing behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.environment import cluster
from tests.environment.cluster import Cluster, ClusterError, Tier, namespaces
from tests.environment.cluster.compiled import HELLO
from tests.environment.cluster.network import interface_of
from tests.environment.cluster.node import KERNEL_SETTINGS, cgroup_of
from tests.environment.cluster.process import started_at
from tests.environment.cluster.state import State
from tests.environment.cluster.wait import wait_until
from tests.support.builders import restricted_deployment

pytestmark = pytest.mark.node

HARNESS = """
import sys, time
from pathlib import Path
from tests.environment import cluster
from tests.environment.cluster.compiled import HELLO
with cluster.start(cluster.Tier.NODE, state=Path(sys.argv[1])) as running:
    running.load_image(HELLO.archive)
    running.run_kubectl("run", "web", f"--image={HELLO.name}")
    running.run_kubectl("wait", "--for=condition=Ready", "pod/web", "--timeout=180s")
    print("ready", flush=True)
    time.sleep(600)
"""


def hello_deployment(name: str, *arguments: str, replicas: int = 1) -> dict[str, Any]:
    """Return a Deployment of the test program; with the argument `serve` it has a readiness probe."""
    probe = {"readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}}
    return restricted_deployment(
        name,
        HELLO.name,
        replicas=replicas,
        pod={"terminationGracePeriodSeconds": 1},
        imagePullPolicy="IfNotPresent",
        args=list(arguments),
        resources={"requests": {"cpu": "100m"}, "limits": {"cpu": "200m", "memory": "32Mi"}},
        **(probe if arguments == ("serve",) else {}),
    )


@pytest.fixture(scope="module")
def web(node_cluster: Cluster, node_namespace: str) -> str:
    """Run two servers behind the Service `web`; return its address."""
    node_cluster.load_image(HELLO.archive)
    in_namespace = ("-n", node_namespace)
    workload = json.dumps(hello_deployment("web", "serve", replicas=2))
    node_cluster.run_kubectl("create", *in_namespace, "-f", "-", stdin=workload)
    node_cluster.run_kubectl("expose", "deployment/web", "--port=80", "--target-port=8080", *in_namespace)
    node_cluster.run_kubectl("rollout", "status", "deployment/web", "--timeout=180s", *in_namespace)
    address: str = node_cluster.get("service", "web", *in_namespace)["spec"]["clusterIP"]
    return address


@pytest.fixture
def own_node(node_cluster: Cluster) -> None:
    """Skip a test on clusters that the harness did not create, since it tests their isolation."""
    if node_cluster.tier is not Tier.NODE:
        pytest.skip(f"{node_cluster.tier} clusters have their own isolation")


def hello(node_cluster: Cluster, node_namespace: str, *words: str) -> str:
    """Return what the test program prints in a pod of `web`."""
    return node_cluster.run_kubectl("exec", "-n", node_namespace, "deployment/web", "--", "/hello", *words, check=False)


def test_host_reaches_services_and_pods(node_cluster: Cluster, node_namespace: str, web: str) -> None:
    pods = node_cluster.get("pods", "-n", node_namespace, "-l", "app=web")["items"]
    urls = [f"http://{web}", *(f"http://{pod['status']['podIP']}:8080" for pod in pods)]
    with httpx.Client(trust_env=False, timeout=10) as client:
        answers = [client.get(url).text for url in urls]
    assert all(answer.startswith("hello from web-") for answer in answers)
    assert len(set(answers[1:])) == 2


def test_pods_reach_services_and_the_api_server(node_cluster: Cluster, node_namespace: str, web: str) -> None:
    assert "hello from web-" in hello(node_cluster, node_namespace, "ask", web, "80")
    kubernetes = node_cluster.get("service", "kubernetes")["spec"]["clusterIP"]
    assert "HTTPS server" in hello(node_cluster, node_namespace, "ask", kubernetes, "443")


@pytest.mark.usefixtures("web")
def test_exec_logs_and_port_forward_work(node_cluster: Cluster, node_namespace: str) -> None:
    assert hello(node_cluster, node_namespace, "say", "aye") == "aye\n"
    assert node_cluster.run_kubectl("logs", "-n", node_namespace, "deployment/web") == "serving\n"
    with forwarded(node_cluster, node_namespace) as port:
        assert httpx.get(f"http://127.0.0.1:{port}", trust_env=False).text.startswith("hello from web-")


@pytest.mark.usefixtures("web", "own_node")
def test_pods_cannot_reach_external_addresses(node_cluster: Cluster, node_namespace: str) -> None:
    answers = {
        address: hello(node_cluster, node_namespace, "ask", address, "53") for address in ("192.0.2.1", "9.9.9.9")
    }
    assert set(answers.values()) == {"connect: Network is unreachable\n"}
    assert Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "0"


def test_absent_image_fails_immediately(node_cluster: Cluster, node_namespace: str) -> None:
    workload = json.dumps(hello_deployment("absent", "serve")).replace(HELLO.name, "modelservice.test/absent:1")
    node_cluster.run_kubectl("create", "-n", node_namespace, "-f", "-", stdin=workload)
    reasons = {"ErrImagePull", "ImagePullBackOff"}
    wait_until(
        lambda: reasons & set(waiting_reasons(node_cluster, node_namespace, "absent")),
        seconds=25,  # a connection that is not refused times out after 30 s
        what="the image pull error",
    )


@pytest.mark.usefixtures("web")
def test_autoscaler_scales_on_real_cpu_load(
    node_cluster: Cluster, node_namespace: str, figure: Callable[[str], None]
) -> None:
    in_namespace = ("-n", node_namespace)
    started = time.monotonic()
    node_cluster.run_kubectl("create", *in_namespace, "-f", "-", stdin=json.dumps(hello_deployment("burn", "burn")))
    node_cluster.run_kubectl("autoscale", "deployment/burn", "--max=3", "--cpu=50%", *in_namespace)
    wait_until(
        lambda: node_cluster.get("deployment", "burn", *in_namespace)["status"].get("readyReplicas") == 3,
        seconds=240,
        what="three replicas",
        pause=0.5,
    )
    figure(f"node: autoscaled from 1 to 3 ready replicas in {time.monotonic() - started:.0f} s")
    node_cluster.run_kubectl("delete", "deployment/burn", "hpa/burn", *in_namespace)


@pytest.mark.usefixtures("own_node")
def test_killed_harness_leaves_nothing(tmp_path: Path, figure: Callable[[str], None]) -> None:
    """It runs concurrently with the session's node, since there are addresses for several nodes."""
    before = host_settings()
    state = tmp_path / "state"
    started = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", HARNESS, state], stdout=subprocess.PIPE) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == b"ready\n"
        figure(f"node: a pod is ready {time.monotonic() - started:.1f} s after start")
        inside = namespaces_of(state)
        assert len(processes_in(inside)) > 10
        os.kill(harness.pid, signal.SIGKILL)
    started = time.monotonic()
    cluster.down(state)
    figure(f"node: cleaned up {time.monotonic() - started:.1f} s after its harness was killed")
    assert_nothing_left(state, inside)
    assert host_settings() == before


@pytest.mark.usefixtures("own_node")
@pytest.mark.parametrize("component", ["namespaces", "containerd", "kubelet"])
def test_harness_killed_during_start_leaves_nothing(tmp_path: Path, component: str) -> None:
    before = host_settings()
    state = tmp_path / "state"
    record = state / "processes" / f"{component}.json"
    with subprocess.Popen([sys.executable, "-c", HARNESS, state]) as harness:
        wait_until(record.exists, seconds=60, what=f"start of {component}", pause=0.005)
        os.kill(harness.pid, signal.SIGKILL)
    cluster.down(state)
    assert_nothing_left(state, set())
    assert host_settings() == before


@pytest.mark.usefixtures("own_node")
def test_cluster_runs_from_up_to_down(tmp_path: Path, figure: Callable[[str], None]) -> None:
    before = host_settings()
    state = tmp_path / "state"
    started = time.monotonic()
    command_line("up", state)
    figure(f"node: ready after {time.monotonic() - started:.1f} s (with the interpreter's start)")
    inside = namespaces_of(state)
    running = cluster.attach(state)
    assert running is not None
    assert running.get("node", "node-1")["metadata"]["name"] == "node-1"
    with pytest.raises(ClusterError, match=f"A cluster already runs for {state}"):
        cluster.up(Tier.NODE, state=state)
    assert host_settings() == before, "also unchanged while the node runs"
    stopping = time.monotonic()
    command_line("down", state)
    figure(f"node: down in {time.monotonic() - stopping:.1f} s (with the interpreter's start)")
    assert_nothing_left(state, inside)


def assert_nothing_left(state: Path, inside: set[str]) -> None:
    """Assert that this node left no processes, interfaces, mounts or cgroups; other nodes may still run."""
    assert processes_in(inside) == []
    assert processes_naming(state) == []
    assert interface_of(state) not in {path.name for path in Path("/sys/class/net").iterdir()}
    assert str(state) not in Path("/proc/self/mounts").read_text()
    assert list(Path("/sys/fs/cgroup").glob(f"**/{cgroup_of(State(state))}")) == []
    assert not state.exists()


def host_settings() -> dict[str, str]:
    """Return the kernel settings that a kubelet changes, IP forwarding, and directories that its programs create."""
    names = (*KERNEL_SETTINGS, "net/ipv4/ip_forward")
    directories = (
        "/var/lib/kubelet",
        "/var/lib/cni",
        "/etc/cni",
        "/opt/cni",
        "/opt/containerd",
        "/usr/libexec/kubernetes",
    )
    kernel = {name: (Path("/proc/sys") / name).read_text() for name in names}
    return kernel | {directory: str(Path(directory).exists()) for directory in directories}


def namespaces_of(state: Path) -> set[str]:
    """Return the kernel's names of the namespaces of a node."""
    spaces = namespaces.existing(State(state))
    assert spaces is not None
    own = {str((Path("/proc") / str(spaces.holder) / "ns" / kind).readlink()) for kind in ("net", "mnt", "pid")}
    assert not own & {str(Path("/proc/self/ns", kind).readlink()) for kind in ("net", "mnt", "pid")}
    return own


def processes_in(spaces: set[str]) -> list[str]:
    """Return the processes in one of the namespaces, without zombies."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/ns/*"):
        with suppress(OSError):
            if str(link.readlink()) in spaces and started_at(int(link.parts[2])):
                found.add(link.parts[2])
    return sorted(found)


def processes_naming(directory: Path) -> list[str]:
    """Return the command lines that contain a path in a directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_text(errors="replace")
            if f"{directory}/" in words:
                found.append(words.replace("\0", " "))
    return found


@contextmanager
def forwarded(node_cluster: Cluster, namespace: str) -> Iterator[int]:
    """Forward a free port to the Service `web` as long as the block lasts."""
    command: list[str | Path] = [node_cluster.kubectl, f"--kubeconfig={node_cluster.kubeconfig}", "-n", namespace]
    with subprocess.Popen([*command, "port-forward", "service/web", ":80"], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        found = re.match(rb"Forwarding from 127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert found is not None
        yield int(found[1])
        process.kill()


def waiting_reasons(node_cluster: Cluster, namespace: str, app: str) -> list[str]:
    pods = node_cluster.get("pods", "-n", namespace, "-l", f"app={app}")["items"]
    statuses = [status for pod in pods for status in pod["status"].get("containerStatuses", ())]
    return [status["state"].get("waiting", {}).get("reason", "") for status in statuses]


def command_line(command: str, state: Path) -> None:
    words = [sys.executable, "-m", "tests.environment.cluster", command, "--tier", "node", "--state", str(state)]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
