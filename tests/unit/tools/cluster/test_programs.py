"""The table of programs agrees with the pins in the go.mod files."""

import os
import stat
from pathlib import Path

import pytest

from tests.environment.cluster import ClusterError
from tests.environment.cluster.build import ready_made
from tests.environment.cluster.lifecycle import kubernetes_of
from tests.environment.cluster.model import Tier
from tests.environment.cluster.programs import (
    OLDER_KUBERNETES,
    SOURCES,
    Program,
    Source,
    kubernetes_minors,
    kubernetes_version,
    source_of,
)

ALL_SOURCES = (*SOURCES, *OLDER_KUBERNETES.values())
LINUX = {"goos": "linux", "goarch": "amd64"}


def a_program(folder: Path, name: str, says: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_every_program_has_one_source() -> None:
    assert sorted(program for source in SOURCES for program in source.packages) == sorted(Program)


@pytest.mark.parametrize("source", ALL_SOURCES, ids=lambda source: source.folder)
def test_packages_are_the_tools_of_go_mod(source: Source) -> None:
    lines = (source.path / "go.mod").read_text().splitlines()
    pinned = {line.removeprefix("tool ") for line in lines if line.startswith("tool ")}
    assert set(source.packages.values()) == pinned


def test_versions_come_from_go_mod() -> None:
    assert kubernetes_version() == "v1.37.2"
    assert "gitVersion=v1.37.2" in " ".join(source_of(Program.KUBELET).flags)


def test_kubeadm_is_of_the_release_that_it_installs() -> None:
    assert source_of(Program.KUBEADM).version == kubernetes_version()


def test_supported_minor_versions_can_be_built() -> None:
    assert kubernetes_minors() == ("1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
    assert all(kubernetes_version(minor).startswith(f"v{minor}.") for minor in kubernetes_minors())


@pytest.mark.parametrize("minor", OLDER_KUBERNETES)
def test_staging_modules_are_of_the_release(minor: str) -> None:
    release = kubernetes_version(minor).removeprefix("v1.")
    text = (source_of(Program.APISERVER, minor).path / "go.mod").read_text()
    replaced = [line.split() for line in text.splitlines() if line.startswith("replace ")]
    assert {words[-1] for words in replaced} == {f"v0.{release}"}


def test_older_kubernetes_has_the_newest_kubectl() -> None:
    assert source_of(Program.KUBECTL, "1.33") is source_of(Program.KUBECTL)
    assert source_of(Program.APISERVER, "1.33") is OLDER_KUBERNETES["1.33"]


def test_version_of_a_tier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLUSTER_KUBERNETES", "1.33")
    assert kubernetes_of(Tier.CONTROL_PLANE, None) == "1.33"
    assert kubernetes_of(Tier.CONTROL_PLANE, "1.34") == "1.34"
    assert kubernetes_of(Tier.NODE, None) == "1.37"
    with pytest.raises(ClusterError, match=r"Kubernetes 1\.9 is none of 1\.32, "):
        kubernetes_of(Tier.CONTROL_PLANE, "1.9")
    with pytest.raises(ClusterError, match="only control-plane runs other versions"):
        kubernetes_of(Tier.NODE, "1.33")


def test_key_depends_on_platform_and_pins(tmp_path: Path) -> None:
    source = source_of(Program.ETCD)
    here = source.key(**LINUX)
    assert here == source.key(**LINUX)
    assert here != source.key(goos="darwin", goarch="arm64")
    assert len({other.key(**LINUX) for other in ALL_SOURCES}) == len(ALL_SOURCES)
    assert tmp_path.name not in here


def test_ready_made_program_of_the_pinned_version_is_taken(tmp_path: Path) -> None:
    a_program(tmp_path, "kube-apiserver", f"Kubernetes {kubernetes_version()}")
    assets = os.environ | {"KUBEBUILDER_ASSETS": str(tmp_path)}
    assert ready_made(Program.APISERVER, assets) == tmp_path / "kube-apiserver"
    assert ready_made(Program.SCHEDULER, assets) is None, "a program that the directory lacks is built"


def test_ready_made_etcd_may_be_another_patch(tmp_path: Path) -> None:
    minor = source_of(Program.ETCD).version.removeprefix("v").rpartition(".")[0]
    a_program(tmp_path, "etcd", f"etcd Version: {minor}.99")
    assert ready_made(Program.ETCD, {"KUBEBUILDER_ASSETS": str(tmp_path)}) == tmp_path / "etcd"


def test_ready_made_program_of_another_version_is_refused(tmp_path: Path) -> None:
    a_program(tmp_path, "kube-apiserver", "Kubernetes v1.31.0")
    with pytest.raises(ClusterError, match=r"offers kube-apiserver v1\.31\.0, the tests pin v1\.37\.2"):
        ready_made(Program.APISERVER, {"KUBEBUILDER_ASSETS": str(tmp_path)})
