"""The parts of the kind tier that can be checked without Docker."""

import json
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from tests.environment.cluster import ClusterError, kind, kind_node
from tests.environment.cluster.network import PLANS
from tests.environment.cluster.state import State
from tests.environment.engine.engine import daemon_configuration, gateway_of

STATE = Path("/tmp/kind-state")  # noqa: S108 - never created
OF_KIND = 'sandbox_image = "registry/pause:3"\nrestrict_oom_score_adj = false\n'


def patch_of(configuration: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [patch for patch in map(json.loads, configuration["kubeadmConfigPatches"]) if patch["kind"] == name]
    return dict(found)


def test_private_engine_needs_no_registry() -> None:
    found = kind.configuration(STATE, PLANS[0], "modelservice.test/kind-node:1")
    assert {node["image"] for node in found["nodes"]} == {"modelservice.test/kind-node:1"}
    assert patch_of(found, "ClusterConfiguration")["imageRepository"] == "modelservice.test"
    assert found["networking"]["apiServerAddress"] == PLANS[0].node


def test_engine_of_the_user_has_the_defaults_of_kind() -> None:
    found = kind.configuration(STATE, None, "")
    assert found["networking"] == {}
    assert not [node for node in found["nodes"] if "image" in node]
    assert "imageRepository" not in patch_of(found, "ClusterConfiguration")


@pytest.mark.parametrize("plan", [None, PLANS[0]])
def test_each_node_runs_pods_and_sees_the_state_directory(plan: Any) -> None:
    found = kind.configuration(STATE, plan, "")
    assert [node["role"] for node in found["nodes"]] == ["control-plane", "worker"]
    assert all(
        node["extraMounts"] == [{"hostPath": str(STATE), "containerPath": str(STATE)}] for node in found["nodes"]
    )
    assert patch_of(found, "InitConfiguration")["nodeRegistration"]["taints"] == []
    kubelet = patch_of(found, "KubeletConfiguration")
    assert kubelet["failCgroupV1"] is False
    assert kubelet["imagePullCredentialsVerificationPolicy"] == "NeverVerify"


def test_containerd_configuration_of_kind_is_completed() -> None:
    text = kind_node.containerd_configuration(OF_KIND)
    assert 'sandbox_image = "modelservice.test/pause:1"' in text
    assert "restrict_oom_score_adj = true" in text
    assert 'conf_template = "/kind/cni.template"' in text


def test_storage_manifest_names_the_images_of_the_node() -> None:
    source = "const defaultStorageManifest = `\na: ` + storageProvisionerImage + `\nb: ` + storageHelperImage + `\n`\n"
    text = kind_node.storage_manifest(source)
    assert text.count("modelservice.test/local-path-") == 2


def test_unknown_storage_manifest_is_a_sentence() -> None:
    with pytest.raises(ClusterError, match="names images that are not known"):
        kind_node.storage_manifest("const defaultStorageManifest = `a: ` + anotherImage + `\n`\n")
    with pytest.raises(ClusterError, match="in another form than expected"):
        kind_node.storage_manifest("package nodeimage")


@pytest.mark.parametrize("plan", PLANS)
def test_networks_of_the_engine_are_those_of_its_plan(plan: Any) -> None:
    found = daemon_configuration(State(STATE), plan, STATE / "data")
    networks = [
        IPv4Network(found["bip"], strict=False),
        *(IPv4Network(pool["base"]) for pool in found["default-address-pools"]),
    ]
    assert len(networks) == 4
    assert all(network.subnet_of(IPv4Network(plan.containers)) for network in networks)
    assert found["dns"] == [gateway_of(plan)]
