import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.environment.images import rootfs
from tests.environment.images.base import BaseImage
from tests.environment.images.packages import Package, parse_uris

LISTING = """\
Reading package lists...
'http://mirror.test/z/zlib1g_1.3_amd64.deb' zlib1g_1%3a1.3_amd64.deb 8 SHA256:{b}
'http://mirror.test/b/busybox_1.35_amd64.deb' busybox_1.35_amd64.deb 9 SHA256:{a}
"""
BUSYBOX = Package("busybox_1.35_amd64.deb", "a" * 64)


def test_apt_names_files_and_hashes() -> None:
    listing = LISTING.format(a="a" * 64, b="b" * 64)
    assert parse_uris(listing) == (BUSYBOX, Package("zlib1g_1%3a1.3_amd64.deb", "b" * 64))


def test_new_package_version_or_hash_changes_the_base_image() -> None:
    versions = (BUSYBOX, replace(BUSYBOX, file="busybox_1.36_amd64.deb"), replace(BUSYBOX, sha256="c" * 64))
    assert len({BaseImage((package,)).tag for package in versions}) == 3
    assert BaseImage((BUSYBOX,)).tag == BaseImage((BUSYBOX,)).tag


@pytest.mark.parametrize(
    ("packaged", "name"),
    [
        ("./lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/libc.so.6"),
        ("./lib64/ld-linux-x86-64.so.2", "usr/lib64/ld-linux-x86-64.so.2"),
        ("./usr/bin/python3.11", "usr/bin/python3.11"),
        ("./etc/library", "etc/library"),
        ("./", "."),
    ],
)
def test_names_follow_the_merged_usr(packaged: str, name: str) -> None:
    assert rootfs.merged(packaged) == name


def test_added_files_override_packages() -> None:
    with tarfile.open(fileobj=io.BytesIO(), mode="w") as archive:
        root = rootfs.RootFileSystem(archive)
        root.add_link("bin", "usr/bin")
        root.add_directory("bin", 0o755)
        root.add_file("etc/passwd", "first")
        root.add_file("etc/passwd", "second")
        assert [(entry.name, entry.issym(), entry.size) for entry in archive] == [
            ("bin", True, 0),
            ("etc/passwd", False, 5),
        ]


def test_equal_packages_give_an_identical_root_file_system(tmp_path: Path) -> None:
    for name in ("one.tar", "other.tar"):
        rootfs.assemble([], tmp_path / name)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "other.tar").read_bytes()
