"""The chart and kustomize render the same objects, and each value of the chart changes what it describes."""

import json
import re
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from modelservice_operator import __version__
from modelservice_operator.cli.main import build_parser
from modelservice_operator.cli.run import settings_from
from modelservice_operator.settings import LoaderSettings, Settings
from tests.environment.cluster.errors import ClusterError
from tests.environment.packaging import chart
from tests.environment.packaging.rendering import (
    CHART,
    COMPONENTS,
    MANIFESTS,
    NAMESPACE,
    build,
    by_identity,
    install_yaml,
    objects,
    overlay,
    run_helm,
    template,
)

SMALL = {"crds": {"enabled": False}}
"""Values for cases that do not concern the CRD, which takes most of the time."""
NAMESPACED = {
    "namespaces": ["models"],
    "crds": {"enabled": False},
    "rbac": {"userRoles": False},
    "priorityClass": {"create": False, "name": ""},
    "policies": {"references": False, "resources": False, "warnings": False},
}
SOURCES = {"enabled": True, "images": ["registry.example.com"], "models": ["file:", "s3://models"]}
DEPLOYMENT = f"Deployment {NAMESPACE}/modelservice-operator"
MONITORING = {
    "podMonitor": f"PodMonitor {NAMESPACE}/modelservice-operator",
    "rules": f"PrometheusRule {NAMESPACE}/modelservice-operator",
    "dashboard": f"ConfigMap {NAMESPACE}/modelservice-operator-dashboard",
}
"""Object of each part of `monitoring`."""
SERVICE_MONITOR = f"ServiceMonitor {NAMESPACE}/modelservice-operator"
CERTIFICATE = "modelservice-operator-metrics"
SETTINGS = {
    "namespaces": ["a", NAMESPACE],
    "workers": 4,
    "resyncSeconds": 30,
    "discoverySeconds": 5,
    "logLevel": "debug",
    "logFormat": "text",
    "tracing": True,
    "leaderElection": {"leaseName": "mine"},
    "monitoring": {"secureMetrics": {"enabled": True, "certificateSecret": "modelservice-operator-metrics"}},
    "loader": {
        "timeoutSeconds": 60,
        "refreshSeconds": 120,
        "allowCIDRs": ["10.0.0.0/8", "192.168.0.0/16"],
        "proxy": "http://proxy.example.com:3128",
        "noProxy": [".svc"],
        "caBundle": "company-ca/ca.pem",
    },
}
"""Each value that sets a flag of the operator."""
FIXED_FLAGS = {
    "--help": "is not a setting",
    "--kubeconfig": "a pod has a service account",
    "--loader-image": "is the variable LOADER_IMAGE, set by image.registry and others",
    "--probe-port": "probes, NetworkPolicy and PodMonitor name 8080",
}
"""Flags of the operator without a value, and why."""
MAX_CRD_BYTES = 256 * 1024
"""Limit of an annotation, in which client-side apply and other tools store an object."""


def rendered(values: dict[str, Any] | None = None, *, namespace: str = NAMESPACE) -> dict[str, Any]:
    return by_identity(objects(template(values=values, namespace=namespace)))


def changed(**values: Any) -> dict[str, Any]:
    """Return the objects with some values, without the CRD."""
    return rendered(SMALL | values)


@cache
def default() -> dict[str, Any]:
    return changed()


def pod(found: dict[str, Any]) -> Any:
    return found[DEPLOYMENT]["spec"]["template"]["spec"]


def container(found: dict[str, Any]) -> Any:
    [only] = pod(found)["containers"]
    return only


def identities_removed_by(**values: Any) -> set[str]:
    found = changed(**values)
    assert set(found) < set(default())
    return set(default()) - set(found)


def built(**fields: Any) -> dict[str, Any]:
    """Return the objects of a kustomization, without the namespace, which is Helm's."""
    with overlay(**fields) as folder:
        found = by_identity(objects(build(folder)))
    return {identity: body for identity, body in found.items() if body["kind"] != "Namespace"}


def test_chart_renders_what_kustomize_renders() -> None:
    assert rendered({"crds": {"keep": False}}) == built(resources=[MANIFESTS])


def test_crd_of_the_chart_is_kept() -> None:
    [crd] = set(rendered()) - set(default())
    assert rendered()[crd]["metadata"]["annotations"] == {
        "helm.sh/resource-policy": "keep",
        "modelservice.dev/version": __version__,
    }


def test_namespaced_chart_renders_what_kustomize_renders() -> None:
    expected = by_identity(objects(build(MANIFESTS / "namespaced")))
    assert rendered(NAMESPACED, namespace="models") == expected
    assert {body["metadata"].get("namespace") for body in expected.values()} == {"models"}


def test_sources_of_the_chart_are_those_of_kustomize() -> None:
    values = {"crds": {"keep": False}, "policies": {"sources": SOURCES}}
    assert rendered(values) == built(resources=[MANIFESTS], components=[COMPONENTS / "sources"])


def test_chart_without_policies_is_the_base() -> None:
    values = {"crds": {"keep": False}, "policies": NAMESPACED["policies"]}
    assert rendered(values) == built(resources=[MANIFESTS / "base"])


def test_images_of_an_overlay_are_those_of_the_chart() -> None:
    digest = f"sha256:{'ab' * 32}"
    images = [
        {"name": "modelservice.dev/operator", "newName": "registry.example.com:5000/team/operator", "digest": digest},
        {"name": "modelservice.dev/loader", "newName": "registry.example.com:5000/team/loader", "newTag": "2.0.0"},
    ]
    image = {"registry": "registry.example.com:5000", "prefix": "team", "tag": "2.0.0", "operator": {"digest": digest}}
    expected = built(resources=[MANIFESTS], images=images)[DEPLOYMENT]
    assert changed(image=image)[DEPLOYMENT] == expected
    assert container({DEPLOYMENT: expected})["env"][0]["value"] == "registry.example.com:5000/team/loader:2.0.0"


def test_overlay_may_change_the_namespace() -> None:
    """Kustomize also sets it on policies, which the API server ignores."""
    found = built(resources=[MANIFESTS], components=[COMPONENTS / "sources"], namespace="other")
    named = {body["metadata"].get("namespace", "other") for body in found.values()}
    subjects = [subject for body in found.values() for subject in body.get("subjects", ())]
    assert named == {subject["namespace"] for subject in subjects} == {"other"}
    binding = found["ValidatingAdmissionPolicyBinding other/modelservice-sources"]
    assert binding["spec"]["paramRef"]["namespace"] == "other"


def test_install_yaml_has_the_images_of_the_registry() -> None:
    found = by_identity(objects(install_yaml(image_prefix="registry.example.com/team", tag="9")))
    assert container(found)["image"] == "registry.example.com/team/operator:9"
    assert container(found)["env"][0]["value"] == "registry.example.com/team/loader:9"


def test_install_yaml_has_the_version() -> None:
    assert container(by_identity(objects(install_yaml())))["image"] == f"modelservice.dev/operator:{__version__}"


def test_generated_files_of_the_chart_are_current() -> None:
    assert chart.stale() == []


def test_chart_passes_lint() -> None:
    assert "0 chart(s) failed" in run_helm("lint", "--strict", str(CHART))


@pytest.mark.parametrize(
    ("values", "kinds"),
    [
        ({"rbac": {"create": False}}, {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}),
        ({"rbac": {"userRoles": False}}, {"ClusterRole"}),
        ({"serviceAccount": {"create": False, "name": "modelservice-operator"}}, {"ServiceAccount"}),
        ({"priorityClass": {"create": False}}, {"PriorityClass"}),
        ({"podDisruptionBudget": {"enabled": False}}, {"PodDisruptionBudget"}),
        ({"networkPolicy": {"enabled": False}}, {"NetworkPolicy"}),
    ],
    ids=["rbac", "user roles", "service account", "priority class", "disruption budget", "network policy"],
)
def test_switch_removes_its_objects(values: dict[str, Any], kinds: set[str]) -> None:
    assert {identity.split()[0] for identity in identities_removed_by(**values)} == kinds


@pytest.mark.parametrize("name", ["references", "resources", "warnings"])
def test_switch_removes_one_policy(name: str) -> None:
    kinds = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    assert identities_removed_by(policies={name: False}) == {f"{kind} /modelservice-{name}" for kind in kinds}


@pytest.mark.parametrize(
    ("values", "field", "expected"),
    [
        ({"nodeSelector": {"a": "b"}}, "nodeSelector", {"a": "b"}),
        ({"tolerations": [{"operator": "Exists"}]}, "tolerations", [{"operator": "Exists"}]),
        ({"affinity": {"nodeAffinity": {}}}, "affinity", {"nodeAffinity": {}}),
        ({"topologySpreadConstraints": []}, "topologySpreadConstraints", None),
        ({"priorityClass": {"name": "high"}}, "priorityClassName", "high"),
        ({"image": {"pullSecrets": [{"name": "login"}]}}, "imagePullSecrets", [{"name": "login"}]),
        ({"serviceAccount": {"name": "123"}}, "serviceAccountName", "123"),
    ],
    ids=str,
)
def test_value_sets_a_field_of_the_pod(values: dict[str, Any], field: str, expected: Any) -> None:
    found = pod(changed(**values))
    assert found.get(field) == expected
    unchanged = pod(default())
    assert {key: value for key, value in found.items() if key != field} == {
        key: value for key, value in unchanged.items() if key != field
    }


@pytest.mark.parametrize(
    ("values", "field", "expected"),
    [
        ({"resources": {"limits": {"memory": "1Gi"}}}, "memory", "1Gi"),
        ({"image": {"pullPolicy": "Always"}}, "imagePullPolicy", "Always"),
        ({"image": {"tag": "1.2.3"}}, "image", "modelservice.dev/operator:1.2.3"),
    ],
    ids=str,
)
def test_value_sets_a_field_of_the_container(values: dict[str, Any], field: str, expected: str) -> None:
    found = container(changed(**values))
    assert (found | found["resources"]["limits"])[field] == expected


def test_settings_of_all_values_reach_the_operator() -> None:
    arguments = container(changed(**SETTINGS, extraArgs=["--probe-port", "8080"]))["args"]
    arguments = [argument.replace("$(POD_NAMESPACE)", NAMESPACE) for argument in arguments]  # as the kubelet does
    options = build_parser().parse_args(arguments)
    loader = LoaderSettings(
        timeout_seconds=60,
        refresh_interval_seconds=120,
        allowed_cidrs=("10.0.0.0/8", "192.168.0.0/16"),
        proxy="http://proxy.example.com:3128",
        no_proxy=(".svc",),
        ca_bundle="company-ca/ca.pem",
    )
    assert (options.log_level, options.log_format, options.tracing) == ("debug", "text", True)
    assert settings_from(options) == Settings(
        namespaces=("a", NAMESPACE),
        lease_namespace=NAMESPACE,
        lease_name="mine",
        workers=4,
        resync_interval=30,
        discovery_interval=5,
        secure_metrics_port=8443,
        metrics_cert_path=Path("/etc/modelservice/metrics-certificate"),
        loader=loader,
    )


def test_each_flag_of_the_operator_has_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(["run", "--help"])
    flags = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    set_by_values = {argument for argument in container(changed(**SETTINGS))["args"] if argument.startswith("--")}
    assert set_by_values | set(FIXED_FLAGS) == flags
    assert set_by_values & set(FIXED_FLAGS) == set()


def test_monitoring_of_the_chart_is_that_of_kustomize() -> None:
    parts = {name: {"enabled": True} for name in MONITORING}
    values = {"crds": {"keep": False}, "monitoring": parts}
    expected = built(resources=[MANIFESTS], components=[COMPONENTS / "monitoring"])
    assert rendered(values) == expected
    assert set(MONITORING.values()) <= set(expected)


@pytest.mark.parametrize("name", ["podMonitor", "rules", "dashboard"])
def test_monitoring_has_a_switch_and_labels_for_each_part(name: str) -> None:
    found = changed(monitoring={name: {"enabled": True, "labels": {"release": "x", "grafana_dashboard": "yes"}}})
    assert set(found) - set(default()) == {MONITORING[name]}
    labels = found[MONITORING[name]]["metadata"]["labels"]
    assert labels == {
        "app.kubernetes.io/name": "modelservice-operator",
        "release": "x",
        "grafana_dashboard": "yes",
    }


@pytest.mark.parametrize("secret", ["", CERTIFICATE], ids=["self-signed", "certificate"])
def test_secure_metrics_of_the_chart_are_those_of_kustomize(secret: str) -> None:
    parts: dict[str, Any] = {name: {"enabled": True} for name in ("serviceMonitor", "rules", "dashboard")}
    parts["secureMetrics"] = {"enabled": True, "certificateSecret": secret}
    names = ["secure-metrics", *(["metrics-certificate"] if secret else []), "monitoring", "secure-monitoring"]
    expected = built(resources=[MANIFESTS], components=[COMPONENTS / name for name in names])
    assert rendered({"crds": {"keep": False}, "monitoring": parts}) == expected
    assert SERVICE_MONITOR in expected
    assert MONITORING["podMonitor"] not in expected


def test_secure_metrics_of_a_namespaced_chart_match_kustomize() -> None:
    folders = [COMPONENTS / name for name in ("namespaced", "secure-metrics")]
    expected = built(resources=[MANIFESTS / "base"], components=folders, namespace="models")
    values = NAMESPACED | {"monitoring": {"secureMetrics": {"enabled": True}}}
    assert rendered(values, namespace="models") == expected
    binding = expected["ClusterRoleBinding /modelservice-operator-metrics-auth"]
    assert [subject["namespace"] for subject in binding["subjects"]] == ["models"]


def test_secure_metrics_without_roles_have_only_the_service() -> None:
    secure = {"secureMetrics": {"enabled": True}}
    added = set(changed(monitoring=secure)) - set(default())
    service = f"Service {NAMESPACE}/modelservice-operator-metrics"
    assert added - {service} == {
        "ClusterRole /modelservice-metrics-reader",
        "ClusterRole /modelservice-operator-metrics-auth",
        "ClusterRoleBinding /modelservice-operator-metrics-auth",
    }
    assert set(changed(monitoring=secure, rbac={"create": False})) - set(default()) == {service}


@pytest.mark.parametrize(
    ("monitoring", "message"),
    [
        ({"podMonitor": {"enabled": True}, "secureMetrics": {"enabled": True}}, "use monitoring.serviceMonitor"),
        ({"serviceMonitor": {"enabled": True}}, "needs monitoring.secureMetrics.enabled"),
        ({"secureMetrics": {"certificateSecret": "x"}}, "needs monitoring.secureMetrics.enabled"),
    ],
    ids=["pod monitor", "service monitor", "certificate"],
)
def test_monitoring_that_would_scrape_nothing_is_refused(monitoring: dict[str, Any], message: str) -> None:
    with pytest.raises(ClusterError, match=message):
        changed(monitoring=monitoring)


def test_monitoring_is_in_the_namespace_of_the_release() -> None:
    found = changed(monitoring={name: {"enabled": True} for name in MONITORING})
    namespaced = rendered(NAMESPACED | {"monitoring": {"podMonitor": {"enabled": True}}}, namespace="models")
    assert set(MONITORING.values()) <= set(found)
    assert "PodMonitor models/modelservice-operator" in namespaced


def test_roles_are_granted_in_each_namespace() -> None:
    found = changed(namespaces=["a", "b"])
    assert {"Role a/modelservice-operator", "RoleBinding b/modelservice-operator"} <= set(found)
    assert "ClusterRole /modelservice-operator" not in found


def test_leader_election_can_be_off_for_one_replica() -> None:
    found = changed(leaderElection={"enabled": False}, replicas=1)
    assert container(found)["args"] == ["run"]
    with pytest.raises(ClusterError, match="replicas must be at most 1"):
        changed(leaderElection={"enabled": False})


def test_network_policy_has_the_ports_and_peers_of_values() -> None:
    peer: dict[str, Any] = {"namespaceSelector": {}}
    rule = {"ports": [{"port": 4317}]}
    values = {"apiServerPorts": [7443], "ingressFrom": [peer], "extraEgress": [rule]}
    spec = changed(networkPolicy=values)[f"NetworkPolicy {NAMESPACE}/modelservice-operator"]["spec"]
    assert spec["ingress"][0]["from"] == [peer]
    assert spec["egress"][0] == {"ports": [{"port": 7443, "protocol": "TCP"}]}
    assert spec["egress"][-1] == rule


def test_labels_and_annotations_are_on_every_object() -> None:
    found = changed(labels={"team": "ml", "app.kubernetes.io/name": "other"}, annotations={"note": "x"})
    assert {body["metadata"]["labels"]["team"] for body in found.values()} == {"ml"}
    assert {body["metadata"]["annotations"]["note"] for body in found.values()} == {"x"}
    assert found[DEPLOYMENT]["metadata"]["labels"]["app.kubernetes.io/name"] == "modelservice-operator"


def test_labels_and_annotations_of_pods() -> None:
    found = changed(podLabels={"a": "1"}, podAnnotations={"b": "2"})[DEPLOYMENT]["spec"]["template"]["metadata"]
    assert (found["labels"]["a"], found["annotations"]) == ("1", {"b": "2"})


def test_budget_and_account_take_their_values() -> None:
    found = changed(podDisruptionBudget={"maxUnavailable": "50%"}, serviceAccount={"annotations": {"role": "x"}})
    assert found[f"PodDisruptionBudget {NAMESPACE}/modelservice-operator"]["spec"]["maxUnavailable"] == "50%"
    assert found[f"ServiceAccount {NAMESPACE}/modelservice-operator"]["metadata"]["annotations"] == {"role": "x"}


@pytest.mark.parametrize(
    "values",
    [
        {"replica": 1},
        {"replicas": "two"},
        {"image": {"tagg": "x"}},
        {"image": {"operator": {"digest": "sha256:short"}}},
        {"loader": {"proxy": "http://user:password@proxy"}},
        {"logLevel": "loud"},
        {"logFormat": "xml"},
        {"monitoring": {"podMonitors": {}}},
        {"namespaces": ["a", "a"]},
        {"networkPolicy": {"apiServerPorts": []}},
    ],
    ids=json.dumps,
)
def test_schema_refuses_wrong_values(values: dict[str, Any]) -> None:
    with pytest.raises(ClusterError, match="values don't meet the specifications"):
        changed(**values)


def test_every_value_is_described_and_used() -> None:
    templates = "".join(path.read_text() for path in (CHART / "templates").rglob("*") if path.is_file())
    for name, value in chart.leaves(chart.schema()):
        assert value["description"].endswith("."), name
        last = name.rpartition(".")[2]
        assert re.search(rf"\b{last}\b", templates), f"{name} is not used"


def test_helm_test_runs_the_operator_image() -> None:
    text = run_helm(
        "template", "x", str(CHART), "--set", "crds.enabled=false", "--show-only", "templates/tests/check.yaml"
    )
    [check] = objects(text)
    assert check["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert check["spec"]["containers"][0]["image"] == f"modelservice.dev/operator:{__version__}"


def test_packages_are_equal_and_have_the_images(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    found = [chart.package(path, image_prefix="registry.example.com/team", tag="9") for path in (first, second)]
    assert found[0].read_bytes() == found[1].read_bytes()
    text = run_helm("template", "x", str(found[0]), "--set", "crds.enabled=false")
    assert "registry.example.com/team/operator:9" in text
    with tarfile.open(found[0]) as archive:
        assert {name.split("/")[0] for name in archive.getnames()} == {"modelservice-operator"}


def test_crd_fits_into_an_annotation(record_property: Any) -> None:
    crd = yaml.load(chart.COPIES["crd.yaml"].read_text(), Loader=yaml.CSafeLoader)
    size = len(json.dumps(crd, separators=(",", ":"), ensure_ascii=False).encode())
    record_property("bytes", size)
    assert size <= MAX_CRD_BYTES
