"""The programs of a cluster: which module builds each, with which flags, at which pinned version.

The versions live in the go.mod files under tools/ and nowhere else. Each directory is a separate module because the
dependencies of these projects disagree. The directories kubernetes-1.N build the control plane of other releases; they
are written by `pin_kubernetes`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

TOOLS = Path(__file__).parent / "tools"


class Program(StrEnum):
    """A program that this package can build; the value is the name of its file."""

    ETCD = "etcd"
    APISERVER = "kube-apiserver"
    CONTROLLER_MANAGER = "kube-controller-manager"
    SCHEDULER = "kube-scheduler"
    KUBECTL = "kubectl"
    KWOK = "kwok"
    KUBELET = "kubelet"
    KUBE_PROXY = "kube-proxy"
    METRICS_SERVER = "metrics-server"
    CONTAINERD = "containerd"
    SHIM = "containerd-shim-runc-v2"
    CTR = "ctr"
    RUNC = "runc"
    CNI_PTP = "ptp"
    CNI_HOST_LOCAL = "host-local"
    CNI_LOOPBACK = "loopback"
    KIND = "kind"
    KUBEADM = "kubeadm"
    CRICTL = "crictl"
    COREDNS = "coredns"
    LOCAL_PATH_PROVISIONER = "local-path-provisioner"


@dataclass(frozen=True, eq=False)
class Source:
    """One Go module under tools/ and how its programs are built."""

    folder: str
    module: str
    packages: dict[Program, str]
    tags: tuple[str, ...] = ()
    cgo: bool = False
    stamp_kubernetes_version: bool = False

    @property
    def path(self) -> Path:
        return TOOLS / self.folder

    @property
    def version(self) -> str:
        """The pinned version of the module, such as v1.37.2."""
        return _required_version(self.path / "go.mod", self.module)

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of `go build`: reproducible paths, no debug information."""
        tags = (f"-tags={','.join(self.tags)}",) if self.tags else ()
        return ("-trimpath", "-buildvcs=false", f"-ldflags={' '.join(('-s', '-w', *self._stamps()))}", *tags)

    def key(self, *, goos: str, goarch: str) -> str:
        """Name what a build depends on: pins, flags and platform."""
        digest = hashlib.sha256()
        for part in (
            (self.path / "go.mod").read_bytes(),
            (self.path / "go.sum").read_bytes(),
            "\0".join((*self.flags, f"cgo={self.cgo}", goos, goarch)).encode(),
        ):
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()[:16]

    def _stamps(self) -> tuple[str, ...]:
        """Kubernetes learns its version from the linker: components refuse peers of an unknown one."""
        if not self.stamp_kubernetes_version:
            return ()
        major, minor, _ = self.version.removeprefix("v").split(".", 2)
        values = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        return tuple(f"-X k8s.io/component-base/version.{name}={value}" for name, value in values.items())


CONTROL_PLANE_OF_KUBERNETES = (Program.APISERVER, Program.CONTROLLER_MANAGER, Program.SCHEDULER)


def _kubernetes(folder: str, *programs: Program) -> Source:
    packages = {program: f"k8s.io/kubernetes/cmd/{program}" for program in programs}
    return Source(folder, "k8s.io/kubernetes", packages, stamp_kubernetes_version=True)


SOURCES = (
    Source("etcd", "go.etcd.io/etcd/server/v3", {Program.ETCD: "go.etcd.io/etcd/server/v3"}),
    _kubernetes("kubernetes", *CONTROL_PLANE_OF_KUBERNETES, Program.KUBECTL, Program.KUBELET, Program.KUBE_PROXY),
    # A separate module: only the kind tier needs it.
    _kubernetes("kubeadm", Program.KUBEADM),
    Source("kwok", "sigs.k8s.io/kwok", {Program.KWOK: "sigs.k8s.io/kwok/cmd/kwok"}),
    Source(
        "metrics-server",
        "sigs.k8s.io/metrics-server",
        {Program.METRICS_SERVER: "sigs.k8s.io/metrics-server/cmd/metrics-server"},
    ),
    Source(
        "containerd",
        "github.com/containerd/containerd/v2",
        {
            program: f"github.com/containerd/containerd/v2/cmd/{program}"
            for program in (Program.CONTAINERD, Program.SHIM, Program.CTR)
        },
        tags=("no_aufs", "no_btrfs", "no_devmapper", "no_zfs"),
    ),
    Source(
        "runc",
        "github.com/opencontainers/runc",
        {Program.RUNC: "github.com/opencontainers/runc"},
        tags=("seccomp",),
        cgo=True,
    ),
    Source(
        "cni",
        "github.com/containernetworking/plugins",
        {
            Program.CNI_PTP: "github.com/containernetworking/plugins/plugins/main/ptp",
            Program.CNI_LOOPBACK: "github.com/containernetworking/plugins/plugins/main/loopback",
            Program.CNI_HOST_LOCAL: "github.com/containernetworking/plugins/plugins/ipam/host-local",
        },
    ),
    Source("kind", "sigs.k8s.io/kind", {Program.KIND: "sigs.k8s.io/kind"}),
    Source("crictl", "sigs.k8s.io/cri-tools", {Program.CRICTL: "sigs.k8s.io/cri-tools/cmd/crictl"}),
    Source("coredns", "github.com/coredns/coredns", {Program.COREDNS: "github.com/coredns/coredns"}),
    Source(
        "local-path-provisioner",
        "github.com/rancher/local-path-provisioner",
        {Program.LOCAL_PATH_PROVISIONER: "github.com/rancher/local-path-provisioner"},
    ),
)

OLDER_KUBERNETES = {
    path.name.partition("-")[2]: _kubernetes(path.name, *CONTROL_PLANE_OF_KUBERNETES)
    for path in sorted(TOOLS.glob("kubernetes-*"))
}
"""The control plane of other releases by minor version, such as 1.33; kubectl is the newest one everywhere."""

CONTROL_PLANE_PROGRAMS = (Program.ETCD, *CONTROL_PLANE_OF_KUBERNETES, Program.KUBECTL)
SIMULATED_NODE_PROGRAMS = (Program.KWOK,)
NODE_PROGRAMS = (
    Program.KUBELET,
    Program.KUBE_PROXY,
    Program.METRICS_SERVER,
    Program.CONTAINERD,
    Program.SHIM,
    Program.CTR,
    Program.RUNC,
    Program.CNI_PTP,
    Program.CNI_HOST_LOCAL,
    Program.CNI_LOOPBACK,
)

KIND_PROGRAMS = (
    *CONTROL_PLANE_PROGRAMS,
    *NODE_PROGRAMS,
    Program.KIND,
    Program.KUBEADM,
    Program.CRICTL,
    Program.COREDNS,
    Program.LOCAL_PATH_PROVISIONER,
)


def source_of(program: Program, kubernetes: str = "") -> Source:
    """Return the module that builds `program`; `kubernetes` is a minor version such as 1.33, empty for the newest."""
    older = OLDER_KUBERNETES.get(kubernetes)
    if older is not None and program in older.packages:
        return older
    return next(source for source in SOURCES if program in source.packages)


def kubernetes_version(kubernetes: str = "") -> str:
    """Return the pinned release of a minor version, such as v1.33.13; of the newest one if it is empty."""
    return source_of(Program.APISERVER, kubernetes).version


def kubernetes_minors() -> tuple[str, ...]:
    """Return the minor versions that can be built, the oldest first."""
    return (*OLDER_KUBERNETES, kubernetes_version().removeprefix("v").rpartition(".")[0])


def go_version() -> tuple[int, ...]:
    """The oldest Go that builds every tool: the newest `go` line of all go.mod files."""
    return max(_go_line(source.path / "go.mod") for source in (*SOURCES, *OLDER_KUBERNETES.values()))


@cache
def _required_version(go_mod: Path, module: str) -> str:
    match = re.search(rf"^(?:require )?\s*{re.escape(module)} (v\S+)", go_mod.read_text(), re.MULTILINE)
    if match is None:
        raise LookupError(f"{go_mod} does not require {module}.")
    return match.group(1)


@cache
def _go_line(go_mod: Path) -> tuple[int, ...]:
    match = re.search(r"^go (\d+(?:\.\d+)*)$", go_mod.read_text(), re.MULTILINE)
    if match is None:
        raise LookupError(f"{go_mod} has no go line.")
    return tuple(int(part) for part in match.group(1).split("."))
