"""One fact of a healthy install is changed, and the finding names it."""

import json
from typing import Any

import pytest

from modelservice_operator import __version__
from modelservice_operator.api.crdgen.crd import VERSION_ANNOTATION
from modelservice_operator.api.crdgen.references import NAME as REFERENCES
from modelservice_operator.apimachinery.kinds import HTTP_ROUTE, POD_MONITOR
from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.check.facts import Unreadable
from modelservice_operator.check.findings import FindingID, Level
from modelservice_operator.check.gather import POLICY
from modelservice_operator.check.judge import judge
from modelservice_operator.check.operators import OperatorArguments
from modelservice_operator.check.policies import POLICY_NAMES, RESOURCES
from modelservice_operator.check.report import ExitCode, exit_code_of, render_json, render_text
from tests.support.install_facts import (
    KEY,
    binding,
    clock,
    crd,
    facts,
    install,
    installed_policy,
    lease,
    problems,
    reviews,
)

REFUSED = Unreadable("The API server answered 403: pods is forbidden.")
OTHER = NamespacedName("ml", "modelservice-operator")


def changed_crd(**changes: Any) -> Any:
    """Return the CRD with another version annotation, or without a field of the status."""
    body = crd()
    version = changes.get("version", __version__)
    body["metadata"]["annotations"] = {VERSION_ANNOTATION: version} if version else {}
    schema = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    for field in changes.get("without", ()):
        del schema["status"]["properties"][field]
    if "maximum" in changes:
        schema["spec"]["properties"]["replicas"]["maximum"] = changes["maximum"]
    if "conditions" in changes:
        body["status"]["conditions"] = changes["conditions"]
    if "stored" in changes:
        body["status"]["storedVersions"] = changes["stored"]
    if "kind" in changes:
        body["spec"]["names"]["kind"] = changes["kind"]
    if "deleted" in changes:
        body["metadata"]["deletionTimestamp"] = "2026-11-27T12:00:00Z"
    return body


def waiting(container: str, reason: str, field: str = "containerStatuses") -> Any:
    """Return a pod with a container that waits."""
    state = {"waiting": {"reason": reason, "message": "not found"}}
    status = {"name": container, "image": "registry.example.com/a:1", "state": state, "lastState": {}}
    return {"metadata": {"namespace": "ml", "name": "pod"}, "status": {field: [status]}}


def webhook(**changes: Any) -> Any:
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "operations": ["CREATE"], "apiVersions": ["*"]}
    entry = {"name": "w.example.com", "clientConfig": {"service": {"namespace": "w", "name": "w"}}, "rules": [rule]}
    return {"kind": "ValidatingWebhookConfiguration", "metadata": {"name": "w"}, "webhooks": [entry | changes]}


NAMES_TAKEN = [{"type": "NamesAccepted", "status": "False", "message": "kind is already in use"}]
TERMINATING = {"metadata": {"name": "ml", "deletionTimestamp": "2026-11-27T12:00:00Z"}}
SERVES_ML = install(key=OTHER, arguments=OperatorArguments(namespaces=("ml",), lease=OTHER))
SERVICE = NamespacedName("w", "w")
SELECTS = {"namespaceSelector": {"matchLabels": {"checked": "yes"}}}
POLICIES = {name: installed_policy(name) for name in POLICY_NAMES}
EDITED = {"metadata": installed_policy(REFERENCES)["metadata"], "spec": {"failurePolicy": "Fail", "validations": []}}
ERRORS: list[tuple[FindingID, dict[str, Any]]] = [
    (FindingID.KUBERNETES_TOO_OLD, {"kubernetes": "v1.31.9"}),
    (FindingID.CRD_MISSING, {"crd": None}),
    (FindingID.CRD_NOT_ESTABLISHED, {"crd": changed_crd(conditions=NAMES_TAKEN)}),
    (FindingID.CRD_TERMINATING, {"crd": changed_crd(deleted=True)}),
    (FindingID.CRD_FOREIGN, {"crd": changed_crd(kind="Other")}),
    (FindingID.CRD_OLDER, {"crd": changed_crd(version="0.0.9", without=["model"])}),
    (FindingID.CRD_OLDER, {"crd": changed_crd(version="", without=["model"])}),
    (FindingID.CRD_NEWER, {"crd": changed_crd(version="9.0.0", without=["model"])}),
    (FindingID.CRD_EDITED, {"crd": changed_crd(without=["model"])}),
    (FindingID.OPERATOR_MISSING, {"installs": (), "leases": {}}),
    (FindingID.OPERATOR_NOT_READY, {"installs": (install(ready_replicas=0),)}),
    (FindingID.OPERATOR_NOT_READY, {"installs": (install(replicas=0, ready_replicas=0),)}),
    (FindingID.OPERATOR_ARGUMENTS, {"installs": (install(arguments_error="unrecognized arguments: --bogus"),)}),
    (FindingID.OPERATOR_IMAGE, {"pods": {KEY: (waiting("operator", "ImagePullBackOff"),)}}),
    (FindingID.OPERATOR_CRASHING, {"pods": {KEY: (waiting("operator", "CrashLoopBackOff"),)}}),
    (FindingID.LEADER_MISSING, {"leases": {KEY: None}}),
    (FindingID.LEADER_MISSING, {"leases": {KEY: lease(holder="", is_fresh=False)}}),
    (FindingID.LEADER_STALE, {"leases": {KEY: lease(is_fresh=False)}}),
    (FindingID.LEADER_ELECTION_OFF, {"installs": (install(arguments=OperatorArguments()),), "leases": {}}),
    (
        FindingID.INSTALLS_OVERLAP,
        {"installs": (install(), SERVES_ML), "leases": {KEY: lease(), OTHER: lease(key=OTHER)}},
    ),
    (FindingID.INSTALLS_OVERLAP, {"leases": {KEY: lease(), OTHER: lease(key=OTHER)}}),
    (FindingID.NAMESPACE_MISSING, {"namespaces": {"ml": None}}),
    (FindingID.NAMESPACE_TERMINATING, {"namespaces": {"ml": TERMINATING}}),
    (FindingID.PERMISSION_MISSING, {"reviews": reviews(install(), denied=frozenset({"list pods"}))}),
    (FindingID.LOADER_IMAGE_PULL, {"model_pods": (waiting("model-loader", "ErrImagePull", "initContainerStatuses"),)}),
    (FindingID.WEBHOOK_UNAVAILABLE, {"webhooks": (webhook(),), "endpoints": {SERVICE: False}}),
]
WARNINGS: list[tuple[FindingID, dict[str, Any]]] = [
    (FindingID.KUBERNETES_NOT_TESTED, {"kubernetes": "v1.38.0-alpha.1"}),
    (FindingID.CLOCK_SKEW, {"clock": clock(offset=-12)}),
    (FindingID.CLOCK_SKEW, {"clock": clock(offset=12)}),
    (FindingID.CRD_OLDER, {"crd": changed_crd(version="0.0.9")}),
    (FindingID.CRD_NEWER, {"crd": changed_crd(version="9.0.0")}),
    (FindingID.CRD_EDITED, {"crd": changed_crd(maximum=3)}),
    (FindingID.CRD_STORED_VERSIONS, {"crd": changed_crd(stored=["v1alpha1", "v1alpha0"])}),
    (FindingID.OPERATOR_OUTSIDE, {"installs": ()}),
    (FindingID.OPERATOR_NOT_READY, {"installs": (install(ready_replicas=1),)}),
    (FindingID.OPERATOR_VERSION, {"installs": (install(image="registry.example.com/operator:9.0.0"),)}),
    (FindingID.OPERATOR_VERSION, {"leases": {KEY: lease(version="9.0.0")}}),
    (
        FindingID.LEADER_ELECTION_OFF,
        {"installs": (install(replicas=1, ready_replicas=1, arguments=OperatorArguments()),), "leases": {}},
    ),
    (FindingID.POLICY_API_MISSING, {"served": {POLICY: False}}),
    (FindingID.WEBHOOK_UNAVAILABLE, {"webhooks": (webhook(**SELECTS),), "endpoints": {SERVICE: False}}),
    (FindingID.POLICY_MISSING, {"policies": POLICIES | {RESOURCES: None}}),
    (FindingID.POLICY_NOT_BOUND, {"bindings": (binding(RESOURCES),)}),
    (FindingID.POLICY_VERSION, {"policies": POLICIES | {RESOURCES: {"metadata": {}, "spec": {}}}}),
    (FindingID.POLICY_EDITED, {"policies": POLICIES | {REFERENCES: EDITED}}),
    (FindingID.METRICS_API_MISSING, {"metrics_api": False}),
    (FindingID.METRICS_API_UNAVAILABLE, {"metrics_api": REFUSED}),
    (FindingID.KUBERNETES_UNREADABLE, {"kubernetes": REFUSED}),
    (FindingID.CLOCK_UNREADABLE, {"clock": REFUSED}),
    (
        FindingID.CRD_UNREADABLE,
        {"crd": REFUSED, "published_schema": crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]},
    ),
    (FindingID.OPERATOR_UNREADABLE, {"installs_unreadable": REFUSED}),
    (FindingID.OPERATOR_UNREADABLE, {"pods": {KEY: REFUSED}}),
    (FindingID.LEADER_UNREADABLE, {"leases": {KEY: REFUSED}}),
    (FindingID.NAMESPACES_UNREADABLE, {"namespaces": {"ml": REFUSED}}),
    (FindingID.PERMISSIONS_UNREADABLE, {"reviews": REFUSED}),
    (FindingID.POLICIES_UNREADABLE, {"policies": dict.fromkeys(POLICY_NAMES, REFUSED)}),
    (FindingID.OPTIONAL_KINDS_UNREADABLE, {"served": {HTTP_ROUTE: REFUSED, POD_MONITOR: True, POLICY: True}}),
    (FindingID.LOADER_IMAGE_UNREADABLE, {"model_pods": REFUSED}),
    (FindingID.WEBHOOKS_UNREADABLE, {"webhooks": REFUSED}),
]
OK_IDS = {finding.id for finding in judge(facts())}


def test_healthy_install_has_no_problems() -> None:
    assert problems() == {}
    assert exit_code_of(judge(facts())) == ExitCode.OK


@pytest.mark.parametrize(("finding_id", "changes"), ERRORS)
def test_broken_install_is_an_error(finding_id: FindingID, changes: dict[str, Any]) -> None:
    found = problems(**changes)
    assert found[finding_id].level is Level.ERROR
    assert found[finding_id].fix
    assert exit_code_of(judge(facts(**changes))) == ExitCode.ERRORS


@pytest.mark.parametrize(("finding_id", "changes"), WARNINGS)
def test_limited_install_is_a_warning(finding_id: FindingID, changes: dict[str, Any]) -> None:
    found = problems(**changes)
    assert set(found) >= {finding_id}
    assert found[finding_id].level is Level.WARNING
    assert found[finding_id].fix


def test_every_finding_is_tested() -> None:
    assert OK_IDS | {finding_id for finding_id, _ in (*ERRORS, *WARNINGS)} == set(FindingID)


@pytest.mark.parametrize(("finding_id", "changes"), [*ERRORS, *WARNINGS])
def test_messages_are_sentences(finding_id: FindingID, changes: dict[str, Any]) -> None:
    text = problems(**changes)[finding_id].message
    assert text[0].isupper()
    assert text.endswith(".")
    assert ".." not in text


def test_unreadable_crd_is_judged_by_its_published_fields() -> None:
    schema = changed_crd(without=["model"])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert "status.model" in problems(crd=REFUSED, published_schema=schema)["crd-older"].message
    assert "crd-missing" in problems(crd=REFUSED, published_schema=None)
    assert set(problems(crd=REFUSED, published_schema=REFUSED)) == {"crd-unreadable"}


def test_optional_kind_needs_permissions_only_where_served() -> None:
    denied = reviews(install(), denied=frozenset({"list podmonitors.monitoring.coreos.com"}))
    assert problems(reviews=denied) == {}
    served = {HTTP_ROUTE: True, POD_MONITOR: True, POLICY: True}
    assert "podmonitors" in problems(reviews=denied, served=served)["permission-missing"].message


@pytest.mark.parametrize(
    "permission", ["create tokenreviews.authentication.k8s.io", "create subjectaccessreviews.authorization.k8s.io"]
)
def test_reviews_are_needed_with_secure_metrics_only(permission: str) -> None:
    secure = install(arguments=OperatorArguments(lease=KEY, has_secure_metrics=True))
    found = problems(installs=(secure,), reviews=reviews(secure, denied=frozenset({permission})))["permission-missing"]
    assert f"is not allowed to {permission} in all namespaces" in found.message
    assert found.fix == (
        "kubectl create clusterrolebinding modelservice-operator-metrics-auth --clusterrole=system:auth-delegator"
        " --serviceaccount=modelservice-system:modelservice-operator"
    )
    assert problems(reviews=reviews(install(), denied=frozenset({permission}))) == {}


def test_missing_verbs_of_a_resource_are_one_finding() -> None:
    denied = reviews(install(), denied=frozenset({"list pods", "watch pods"}))
    assert "list, watch pods in all namespaces" in problems(reviews=denied)["permission-missing"].message


@pytest.mark.parametrize("tag", ["", ":latest", "@sha256:0a", f":v{__version__}", f":{__version__}@sha256:0a"])
def test_image_without_another_version_is_accepted(tag: str) -> None:
    assert problems(installs=(install(image=f"registry.example.com:5000/operator{tag}"),)) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"failurePolicy": "Ignore"},
        {"clientConfig": {"url": "https://example.com"}},
        {"rules": [{"apiGroups": [""], "resources": ["nodes"], "operations": ["*"]}]},
        {"rules": [{"apiGroups": ["*"], "resources": ["*"], "operations": ["DELETE"]}]},
    ],
)
def test_webhook_that_cannot_block_is_accepted(changes: dict[str, Any]) -> None:
    assert problems(webhooks=(webhook(**changes),), endpoints={SERVICE: False}) == {}


@pytest.mark.parametrize(
    ("group", "resource", "named"),
    [
        ("coordination.k8s.io", "leases", "leases.coordination.k8s.io"),
        ("modelservice.dev", "modelservices/status", "modelservices.modelservice.dev/status"),
        ("apps", "*/scale", "deployments.apps/scale"),
        ("apps", "replicasets/*", "replicasets.apps"),
        ("modelservice.dev", "*", "modelservices.modelservice.dev"),
    ],
)
def test_webhook_on_any_write_of_the_operator_is_named(group: str, resource: str, named: str) -> None:
    rule = {"apiGroups": [group], "resources": [resource], "operations": ["UPDATE"]}
    found = problems(webhooks=(webhook(rules=[rule]),), endpoints={SERVICE: False})
    assert f"intercepts {named}, must not fail" in found["webhook-unavailable"].message


def test_two_deployments_with_one_lease_do_not_overlap() -> None:
    other = install(key=NamespacedName("modelservice-system", "second"))
    assert "installs-overlap" not in problems(installs=(install(), other))


def test_installs_of_different_namespaces_do_not_overlap() -> None:
    dev = NamespacedName("dev", "modelservice-operator")
    serves_dev = install(key=dev, arguments=OperatorArguments(namespaces=("dev",), lease=dev))
    assert "installs-overlap" not in problems(installs=(SERVES_ML, serves_dev), leases={})


def test_text_report_is_aligned() -> None:
    lines = render_text(judge(facts(crd=None))).splitlines()
    [missing] = [line for line in lines if "crd-missing" in line]
    assert missing.startswith("error    crd-missing")
    column = missing.index("The CRD")
    fix = lines[lines.index(missing) + 1]
    assert fix.index("fix: kubectl apply") == column
    assert lines[-1].endswith("1 error")


def test_json_report_has_all_findings() -> None:
    findings = judge(facts(crd=None))
    document = json.loads(render_json(findings, version="1"))
    assert document["version"] == "1"
    assert document["counts"]["error"] == 1
    assert [one["id"] for one in document["findings"]] == [one.id for one in findings]
