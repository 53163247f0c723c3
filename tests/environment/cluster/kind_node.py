"""The node image of the kind tier, assembled without a registry.

It consists of Debian's packages, the files that kind's module has for its base image, the programs that are built
here, and images of the control plane that hold nothing but such a program. All names are under `modelservice.test`,
so that none pretends to be another project's. The name's tag is a hash of all that goes in.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import TYPE_CHECKING

from tests.environment.cluster.build import goarch, programs
from tests.environment.cluster.compiled import PAUSE
from tests.environment.cluster.control_plane import CONFIG
from tests.environment.cluster.errors import ClusterError
from tests.environment.cluster.node import KERNEL_SETTINGS
from tests.environment.cluster.oci import write_archive
from tests.environment.cluster.programs import KIND_PROGRAMS, Program, kubernetes_version, source_of
from tests.environment.cluster.progress import showing
from tests.environment.cluster.toolchain import go_command
from tests.environment.cluster.wait import wait_until
from tests.environment.engine.docker import Container
from tests.environment.engine.roots import NODE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import IO

    from tests.environment.engine.docker import Docker

REPOSITORY = "modelservice.test"
_ENTRYPOINT = 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]'
_FILES = CONFIG / "kind-node"
_SET_UP = CONFIG / "kind-node.sh"
_START_TIMEOUT = 60
_FOLDERS = {
    Program.RUNC: "usr/local/sbin",
    Program.KUBELET: "usr/bin",
    Program.KUBECTL: "usr/bin",
    Program.KUBEADM: "usr/bin",
    Program.CNI_PTP: "opt/cni/bin",
    Program.CNI_HOST_LOCAL: "opt/cni/bin",
    Program.CNI_LOOPBACK: "opt/cni/bin",
}
_ON_NODE = (*_FOLDERS, Program.CONTAINERD, Program.SHIM, Program.CTR, Program.CRICTL)
_ROOT, _NOBODY = "0:0", "65534:65534"


@dataclass(frozen=True)
class ControlPlaneImage:
    """An image of the node, which a static pod or an add-on of kubeadm or kind runs."""

    name: str
    files: Mapping[str, bytes]
    entrypoint: str
    user: str = _ROOT
    """kubeadm's keys are readable only by root."""


def dns_version() -> str:
    """Return the tag of the CoreDNS image."""
    return source_of(Program.COREDNS).version


def etcd_version() -> str:
    """Return the tag of the etcd image, which kubeadm writes without a `v`."""
    return source_of(Program.ETCD).version.removeprefix("v")


def image_name() -> str:
    """Return the name of the node image for these pins, files and packages."""
    platform = {"goos": "linux", "goarch": goarch()}
    parts = [Path(__file__).read_text(), _SET_UP.read_text(), NODE.versions, PAUSE.source.read_text()]
    parts += [path.read_text() for path in sorted(_FILES.rglob("*")) if path.is_file()]
    parts += [source_of(program).key(**platform) for program in KIND_PROGRAMS]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return f"{REPOSITORY}/kind-node:{key}"


def ensure(docker: Docker) -> str:
    """Return the name of the node image, built first where the engine does not have it."""
    name = image_name()
    if not docker.succeeds("image", "inspect", name):
        with showing("Assembling the node image of kind", lambda: ""):
            _build(docker, name)
        _remove_older(docker, name)
    return name


def _build(docker: Docker, name: str) -> None:
    base = f"{REPOSITORY}/kind-base:{name.rpartition(':')[2]}"
    with NODE.archive.open("rb") as root:
        docker.run("import", "--change=ENV container=docker", f"--change={_ENTRYPOINT}", "-", base, stdin=root)
    options = ("--detach", "--entrypoint=sleep", "--network=none", "--security-opt=seccomp=unconfined")
    container = Container(docker, docker.run("run", *options, base, "infinity").strip())
    try:
        _fill(container)
        docker.run("commit", f"--change={_ENTRYPOINT}", container.name, name)
    finally:
        docker.run("rm", "--force", "--volumes", container.name)


def _fill(container: Container) -> None:
    with TemporaryFile() as archive:
        _write_tree(archive)
        archive.seek(0)
        container.docker.run("cp", "-", f"{container.name}:/", stdin=archive)
    with _SET_UP.open("rb") as script:
        container.feed(script, "sh", "-s")
    container.docker.run("exec", "--detach", container.name, "containerd")
    answers = ("exec", container.name, "ctr", "version")
    wait_until(lambda: container.docker.succeeds(*answers), seconds=_START_TIMEOUT, what="containerd of the image")
    options = ("--label=io.cri-containerd.pinned=pinned", "--all-platforms", "--no-unpack", "--digests")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "image.tar"
        for image in control_plane_images():
            program = (image.entrypoint,)
            write_archive(path, image.name, image.files, entrypoint=program, architecture=goarch(), user=image.user)
            with path.open("rb") as content:
                container.feed(content, "ctr", "--namespace=k8s.io", "images", "import", *options, "-")
    container.run("pkill", "containerd")
    pgrep = ("exec", container.name, "pgrep", "containerd")
    wait_until(lambda: not container.docker.succeeds(*pgrep), seconds=_START_TIMEOUT, what="the end of containerd")


def _remove_older(docker: Docker, name: str) -> None:
    listed = docker.run("image", "ls", "--format={{.Repository}}:{{.Tag}}", f"{REPOSITORY}/kind-*").split()
    for other in listed:
        if other.rpartition(":")[2] != name.rpartition(":")[2]:
            docker.run("image", "rm", other)


def _write_tree(archive: IO[bytes]) -> None:
    """Write all files of the node that are not Debian's."""
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, content, mode in _tree():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))


def _tree() -> Iterator[tuple[str, bytes, int]]:
    module = _module_of_kind()
    base = module / "images" / "base" / "files"
    for folder in (base, _FILES):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield str(path.relative_to(folder)), path.read_bytes(), 0o644
    configuration = (base / "etc" / "containerd" / "config.toml").read_text()
    yield "etc/containerd/config.toml", containerd_configuration(configuration).encode(), 0o644
    storage = (module / "pkg" / "build" / "nodeimage" / "const_storage.go").read_text()
    yield "kind/manifests/default-storage.yaml", storage_manifest(storage).encode(), 0o644
    yield "kind/version", kubernetes_version().encode(), 0o644
    for setting, value in KERNEL_SETTINGS.items():
        yield f"kind/kernel/{setting.replace('/', '-')}", f"{value}\n".encode(), 0o644
    for program, path in programs(_ON_NODE, goos="linux").items():
        yield f"{_FOLDERS.get(program, 'usr/local/bin')}/{program}", path.read_bytes(), 0o755


def containerd_configuration(of_kind: str) -> str:
    """Return kind's configuration of containerd with the pause image, the CNI plugins and directory for registries."""
    text = re.sub(r"sandbox_image = .*", f'sandbox_image = "{PAUSE.name}"', of_kind)
    # Without CAP_SYS_RESOURCE no process may become less likely to be killed.
    text = text.replace("restrict_oom_score_adj = false", "restrict_oom_score_adj = true")
    section = '[plugins."io.containerd.grpc.v1.cri"'
    network = f'{section}.cni]\nconf_template = "/kind/cni.template"\n'
    return f'{text}\n{network}\n{section}.registry]\nconfig_path = "{REGISTRIES}"\n'


REGISTRIES = "/etc/containerd/certs.d"
"""Directory of the node from which containerd reads the settings of registries."""


def storage_manifest(source: str) -> str:
    """Return kind's manifest of its default StorageClass with images of programs that are built here."""
    found = re.search(r"const defaultStorageManifest = `(.*)`\s*$", source, re.DOTALL)
    if found is None:
        raise ClusterError("kind's module has its storage manifest in another form than expected.")
    text = found[1].replace("` + storageProvisionerImage + `", _provisioner_image())
    text = text.replace("` + storageHelperImage + `", f"{REPOSITORY}/local-path-helper:1")
    if "`" in text:
        raise ClusterError("kind's storage manifest names images that are not known here.")
    return text


def _provisioner_image() -> str:
    return f"{REPOSITORY}/local-path-provisioner:{source_of(Program.LOCAL_PATH_PROVISIONER).version}"


def control_plane_images() -> Iterator[ControlPlaneImage]:
    """Yield the images that the node holds."""
    kubernetes = (Program.APISERVER, Program.CONTROLLER_MANAGER, Program.SCHEDULER)
    found = programs((*kubernetes, Program.KUBE_PROXY, Program.ETCD, Program.COREDNS, Program.LOCAL_PATH_PROVISIONER))

    def content(program: Program) -> dict[str, bytes]:
        return {f"usr/local/bin/{program}": found[program].read_bytes()}

    for program in kubernetes:
        name = f"{REPOSITORY}/{program}:{kubernetes_version()}"
        yield ControlPlaneImage(name, content(program), f"/usr/local/bin/{program}")
    proxy = {**content(Program.KUBE_PROXY), **_with_libraries("/usr/sbin/nft")}
    name = f"{REPOSITORY}/{Program.KUBE_PROXY}:{kubernetes_version()}"
    yield ControlPlaneImage(name, proxy, f"/usr/local/bin/{Program.KUBE_PROXY}")
    yield ControlPlaneImage(f"{REPOSITORY}/etcd:{etcd_version()}", content(Program.ETCD), "/usr/local/bin/etcd")
    yield ControlPlaneImage(PAUSE.name, {"pause": PAUSE.program.read_bytes()}, "/pause", _NOBODY)
    dns = {"coredns": found[Program.COREDNS].read_bytes()}
    yield ControlPlaneImage(f"{REPOSITORY}/coredns:{dns_version()}", dns, "/coredns", _NOBODY)
    provisioner = content(Program.LOCAL_PATH_PROVISIONER)
    yield ControlPlaneImage(_provisioner_image(), provisioner, f"/usr/local/bin/{Program.LOCAL_PATH_PROVISIONER}")
    helper = {
        key: value for program in ("mkdir", "rm", "dash") for key, value in _with_libraries(f"/bin/{program}").items()
    }
    helper["bin/sh"] = helper["bin/dash"]
    yield ControlPlaneImage(f"{REPOSITORY}/local-path-helper:1", helper, "/bin/sh")


def _with_libraries(program: str) -> dict[str, bytes]:
    """Return a program of the node's packages and the libraries that it links to."""
    root = NODE.directory
    listing = subprocess.run(["chroot", root, "ldd", program], capture_output=True, text=True, check=True).stdout
    paths = (program, *re.findall(r"(/\S+) \(0x", listing))
    return {path.lstrip("/"): (root / path.lstrip("/")).resolve().read_bytes() for path in paths}


def _module_of_kind() -> Path:
    """Return the directory of kind's source, as the Go module cache has it."""
    source = source_of(Program.KIND)
    command: list[str | Path] = [go_command(), "mod", "download", "-json", f"{source.module}@{source.version}"]
    environment = os.environ | {"GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    result = subprocess.run(command, cwd=source.path, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ClusterError(f"The source of kind cannot be fetched: {result.stderr.strip() or result.stdout.strip()}")
    return Path(json.loads(result.stdout)["Dir"])
