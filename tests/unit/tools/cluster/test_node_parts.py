"""The parts of the node that can be checked without one."""

import hashlib
import json
import tarfile
from ipaddress import IPv4Network
from itertools import combinations
from pathlib import Path

import pytest

from tests.environment.cluster import ClusterError, oci
from tests.environment.cluster.cgroups import Hierarchies, detect
from tests.environment.cluster.compiled import PAUSE
from tests.environment.cluster.control_plane import CONFIG
from tests.environment.cluster.network import PLANS, TEST_RANGE, interface_of
from tests.environment.cluster.system import require_visible

VERSION_1 = """\
tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
"""


def test_cgroups_of_version_1_are_one_tree_per_controller() -> None:
    roots = (Path("/sys/fs/cgroup/cpu,cpuacct"), Path("/sys/fs/cgroup/memory"))
    assert detect(VERSION_1) == Hierarchies(1, roots, beside=(Path("/sys/fs/cgroup/unified"),))


def test_cgroups_of_version_2_are_one_tree() -> None:
    assert detect("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n") == Hierarchies(2, (Path("/sys/fs/cgroup"),))


def test_no_cgroups_is_a_sentence() -> None:
    with pytest.raises(ClusterError, match="No cgroups are mounted"):
        detect("proc /proc proc rw 0 0\n")


def test_archive_is_content_addressed_and_reproducible(tmp_path: Path) -> None:
    first, second = tmp_path / "1.tar", tmp_path / "2.tar"
    for path in (first, second):
        oci.write_archive(path, "example.test/a:1", {"a": b"\x7fELF"}, entrypoint=("/a",), architecture="amd64")
    assert first.read_bytes() == second.read_bytes()
    assert oci.image_names(first) == ("example.test/a:1",)
    with tarfile.open(first) as tar:
        blobs = [member for member in tar if member.name.startswith("blobs/sha256/")]
        for member in blobs:
            content = tar.extractfile(member)
            assert content is not None
            assert hashlib.sha256(content.read()).hexdigest() == member.name.rpartition("/")[2]
    assert len(blobs) == 3


def test_short_tag_is_not_an_image_name(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    index = tmp_path / "index.json"
    index.write_text(json.dumps({"manifests": [{"annotations": {oci.REFERENCE_NAME: "1.0"}}]}))
    with tarfile.open(archive, "w") as tar:
        tar.add(index, "index.json")
    assert oci.image_names(archive) == ()


def test_containerd_configuration_names_the_pause_image() -> None:
    assert f'sandbox = "{PAUSE.name}"' in (CONFIG / "containerd.toml").read_text()


def test_interfaces_differ_by_state_folder_and_fit_the_kernel() -> None:
    names = {interface_of(Path("/a")), interface_of(Path("/b"))}
    assert len(names) == 2
    assert all(len(name) < 16 for name in names)


def test_plans_share_no_address_and_stay_in_the_range_for_tests() -> None:
    ranges = [(plan.pods, plan.services, plan.cable, plan.containers) for plan in PLANS]
    networks = [IPv4Network(text) for texts in ranges for text in texts]
    assert not [pair for pair in combinations(networks, 2) if pair[0].overlaps(pair[1])]
    assert all(IPv4Network(TEST_RANGE).supernet_of(network) for network in networks)
    assert (PLANS[0].host, PLANS[0].node) == ("198.19.255.1", "198.19.255.2")


def test_directory_hidden_by_the_node_is_refused() -> None:
    with pytest.raises(ClusterError, match="is below /var/log"):
        require_visible(Path("/var/log/cluster"))
