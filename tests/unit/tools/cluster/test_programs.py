"""The table of programs agrees with the pins in the go.mod files."""

import os
import stat
from pathlib import Path

import pytest

from tests.environment.cluster import ClusterError
from tests.environment.cluster.build import ready_made
from tests.environment.cluster.programs import SOURCES, Program, Source, kubernetes_version, source_of

LINUX = {"goos": "linux", "goarch": "amd64"}


def a_program(folder: Path, name: str, says: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_every_program_has_one_source() -> None:
    assert sorted(program for source in SOURCES for program in source.packages) == sorted(Program)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.folder)
def test_packages_are_the_tools_of_go_mod(source: Source) -> None:
    lines = (source.path / "go.mod").read_text().splitlines()
    pinned = {line.removeprefix("tool ") for line in lines if line.startswith("tool ")}
    assert set(source.packages.values()) == pinned


def test_versions_come_from_go_mod() -> None:
    assert kubernetes_version() == "v1.37.2"
    assert "gitVersion=v1.37.2" in " ".join(source_of(Program.KUBELET).flags)


def test_key_depends_on_platform_and_pins(tmp_path: Path) -> None:
    source = source_of(Program.ETCD)
    here = source.key(**LINUX)
    assert here == source.key(**LINUX)
    assert here != source.key(goos="darwin", goarch="arm64")
    assert len({other.key(**LINUX) for other in SOURCES}) == len(SOURCES)
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
