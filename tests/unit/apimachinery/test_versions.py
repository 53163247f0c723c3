from pathlib import Path

import pytest

from modelservice_operator.apimachinery.versions import (
    SUPPORTED_RANGE,
    explain_unsupported,
    parse_version,
    server_version,
)
from tests.environment.cluster.programs import kubernetes_minors

REQUIREMENTS = Path(__file__).parents[3] / "docs/requirements.md"


@pytest.mark.parametrize("version", ["v1.32.0", "v1.37.4", "v1.33.5-eks-1a2b3c4", "v1.37.0-rc.1", "1.36.2+k3s1"])
def test_supported_version_is_accepted(version: str) -> None:
    assert explain_unsupported(version) == ""


@pytest.mark.parametrize(
    ("version", "text"), [("v1.31.9", "older"), ("v1.38.0", "newer"), ("", "unknown"), ("v2", "unknown")]
)
def test_unsupported_version_is_explained(version: str, text: str) -> None:
    assert text in explain_unsupported(version)


@pytest.mark.parametrize(
    ("emulated", "version"),
    [
        ({}, "v1.37.2"),
        ({"emulationMajor": "1", "emulationMinor": "37"}, "v1.37.2"),
        ({"emulationMajor": "1", "emulationMinor": "31"}, "v1.31 (emulated by v1.37.2)"),
        ({"emulationMajor": "", "emulationMinor": ""}, "v1.37.2"),
    ],
    ids=["none", "same", "older", "empty"],
)
def test_emulated_version_is_that_of_the_server(emulated: dict[str, str], version: str) -> None:
    assert server_version({"gitVersion": "v1.37.2"} | emulated) == version
    assert bool(explain_unsupported(version)) == ("1.31" in version)


def test_range_is_that_of_the_documents_and_the_tests() -> None:
    assert f"Versions {SUPPORTED_RANGE}." in REQUIREMENTS.read_text()
    minors = kubernetes_minors()
    assert f"{minors[0]} to {minors[-1]}" == SUPPORTED_RANGE


def test_versions_are_compared_by_number() -> None:
    assert parse_version("0.10.0") > parse_version("v0.9.1-rc.2")
    assert parse_version("") == ()
