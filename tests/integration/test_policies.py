"""The admission policies and the users' roles, with real users, on a separate control plane.

The author has only the role modelservice-edit; the owner may also use one object of each kind.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from modelservice_operator.api.crdgen.references import MAX_PLACES, MAX_REFERENCES, REFERENCES
from tests.environment import cluster
from tests.environment.cluster import Cluster, Tier
from tests.environment.cluster.fixtures import create_namespace
from tests.environment.cluster.wait import wait_until
from tests.support.builders import ModelServiceBuilder, model_service
from tests.support.dry_run import DryRunClient, DryRunResponse, open_dry_run_client
from tests.support.installation import ROOT, install_without_operator
from tests.support.maximal_spec import maximal_spec
from tests.support.namespace import PLURAL
from tests.support.references import OWN, SPECS

pytestmark = pytest.mark.core

IRIS = model_service()
MANY = ["s" * 250 + f"{number:03}" for number in range(MAX_REFERENCES)]
"""As many Secrets as can be referenced, with the longest names."""


@dataclass(frozen=True)
class Users:
    """Connections of all users to one namespace."""

    cluster: Cluster
    namespace: str
    admin: DryRunClient
    owner: DryRunClient
    author: DryRunClient
    viewer: DryRunClient

    def in_namespace(self, service: ModelServiceBuilder) -> ModelServiceBuilder:
        return service.named(service.name, namespace=self.namespace)

    def store(self, service: ModelServiceBuilder) -> None:
        """Create an object as administrator, without dry run."""
        self.cluster.run_kubectl("apply", "-f", "-", stdin=yaml.safe_dump(self.in_namespace(service).manifest()))


def grant_roles(running: Cluster, namespace: str) -> None:
    """Create the roles and role bindings of the users."""
    kubectl = ("--namespace", namespace, "create")
    rules = [
        {
            "apiGroups": [right.group],
            "resources": [right.resource],
            "resourceNames": [OWN, *MANY],
            "verbs": [right.verb],
        }
        for right in dict.fromkeys(REFERENCES.values())
    ]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "owner", "namespace": namespace},
        "rules": rules,
    }
    running.run_kubectl("create", "-f", "-", stdin=json.dumps(role))
    for user, role_reference in (
        ("owner", "--role=owner"),
        ("owner", "--clusterrole=modelservice-edit"),
        ("author", "--clusterrole=modelservice-edit"),
        ("viewer", "--clusterrole=modelservice-view"),
    ):
        name = f"{user}-{role_reference.rpartition('=')[2]}"
        running.run_kubectl(*kubectl, "rolebinding", name, role_reference, f"--user={user}")


@pytest.fixture(scope="module")
def users() -> Iterator[Users]:
    """A cluster with the manifests, after the policy has taken effect."""
    with ExitStack() as stack:
        running = stack.enter_context(cluster.start(Tier.CONTROL_PLANE))
        install_without_operator(running)
        namespace = create_namespace(running, "policies")
        grant_roles(running, namespace)
        paths = [running.kubeconfig, *(running.user_kubeconfig(name) for name in ("owner", "author", "viewer"))]
        users = Users(running, namespace, *(stack.enter_context(open_dry_run_client(path)) for path in paths))
        probe = users.in_namespace(IRIS.with_spec(serviceAccountName="probe"))
        wait_until(
            lambda: "you are not allowed" in users.author.create_model_service(probe).message,
            seconds=60,
            what="the policy",
        )
        yield users


@pytest.mark.parametrize("field", SPECS)
def test_references_require_author_permission(users: Users, field: str) -> None:
    right = REFERENCES[field]
    service = users.in_namespace(IRIS.with_spec(**SPECS[field]))
    answer = users.author.create_model_service(service)
    assert answer.status == 403
    assert (
        f"you are not allowed to {right.verb} {right.resource}/{OWN} in namespace {users.namespace}, which this"
        " ModelService references: reference another object or ask for the permission"
    ) in answer.message
    assert users.owner.create_model_service(service).is_accepted
    assert users.admin.create_model_service(service).is_accepted


def test_pvc_uri_requires_permission(users: Users) -> None:
    service = users.in_namespace(IRIS.with_spec(model={"uri": f"pvc://{OWN}/models"}))
    assert (
        f"you are not allowed to get persistentvolumeclaims/{OWN} in namespace"
        in users.author.create_model_service(service).message
    )
    assert users.owner.create_model_service(service).is_accepted


def test_spec_without_references_requires_no_permission(users: Users) -> None:
    assert users.author.create_model_service(
        users.in_namespace(IRIS.with_spec(env=[{"name": "A", "value": "1"}]))
    ).is_accepted


def with_secrets(users: Users, *names: str) -> ModelServiceBuilder:
    """Return a ModelService with a variable from each of these Secrets."""
    variables = [
        {"name": f"A{number}", "valueFrom": {"secretKeyRef": {"name": name, "key": "k"}}}
        for number, name in enumerate(names)
    ]
    return users.in_namespace(IRIS.with_spec(env=variables))


def test_every_reference_is_checked(users: Users) -> None:
    assert users.owner.create_model_service(with_secrets(users, *MANY)).is_accepted
    for position in (0, MAX_REFERENCES // 2, MAX_REFERENCES - 1):
        names = [*MANY[:position], "foreign", *MANY[position + 1 :]]
        message = users.owner.create_model_service(with_secrets(users, *names)).message
        assert "you are not allowed to get secrets/foreign" in message


def test_duplicate_references_count_once(users: Users) -> None:
    names = (MANY * MAX_PLACES)[:MAX_PLACES]
    assert users.owner.create_model_service(with_secrets(users, *names)).is_accepted
    for excess in ([*MANY, "another"], [*names, MANY[0]]):
        message = users.admin.create_model_service(with_secrets(users, *excess)).message
        assert "at most 24 Secrets, ConfigMaps and other objects can be referenced, in at most 128 places" in message


_REQUEST_ABOVE_LIMIT = "a request must not be greater than its limit: raise the limit or lower the request"
_UNEQUAL_DEVICES = "devices cannot be overcommitted: set the same request and limit"
_PARTS_OF_DEVICES = "amounts of devices must be whole numbers"
RESOURCES = [
    ({"requests": {"ephemeral-storage": "2Gi"}, "limits": {"ephemeral-storage": "1Gi"}}, _REQUEST_ABOVE_LIMIT),
    ({"requests": {"cpu": 2}, "limits": {"cpu": "1999m"}}, _REQUEST_ABOVE_LIMIT),
    ({"requests": {"nvidia.com/gpu": 1}}, _UNEQUAL_DEVICES),
    ({"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": 2}}, _UNEQUAL_DEVICES),
    ({"requests": {"nvidia.com/gpu": "500m"}, "limits": {"nvidia.com/gpu": "500m"}}, _PARTS_OF_DEVICES),
    ({"limits": {"nvidia.com/gpu": "0.5"}}, _PARTS_OF_DEVICES),
    ({"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": "1", "memory": "1Gi"}}, None),
    ({"requests": {"memory": "1G"}, "limits": {"memory": "1Gi", "nvidia.com/gpu": 2}}, None),
]


@pytest.mark.parametrize(("resources", "message"), RESOURCES)
def test_resources_are_compared_with_each_other(users: Users, resources: dict[str, Any], message: str | None) -> None:
    loader = {"uri": "s3://models/iris", "loader": {"resources": resources}}
    for service in (IRIS.with_spec(resources=resources), IRIS.with_spec(model=loader)):
        answer = users.admin.create_model_service(users.in_namespace(service))
        assert answer.is_accepted if message is None else message in answer.message


def test_maximal_spec_is_within_the_cel_cost_budget(users: Users) -> None:
    """Rules and policies have a cost budget: beyond it the API server rejects every request."""
    maximal = users.in_namespace(maximal_spec())
    assert users.admin.create_model_service(maximal).is_accepted
    users.cluster.run_kubectl("create", "-f", "-", stdin=yaml.safe_dump(maximal.manifest()))
    change = users.admin.patch_model_service(users.namespace, maximal.name, {"spec": {"workingDir": "/app"}})
    assert change.is_accepted, change.message
    assert users.author.patch_model_service(users.namespace, maximal.name, {"spec": {"suspend": True}}).is_accepted
    users.cluster.run_kubectl("--namespace", users.namespace, "delete", PLURAL, maximal.name)


SCALING = [{"replicas": 3}, {"suspend": True}, {"autoscaling": {"maxReplicas": 3}}, {"autoscaling": None}]
CHANGES = [{"image": "mine:1"}, {"command": ["cat", "/secret"]}, {"podLabels": {"a": "b"}}, {"env": None}]


@pytest.fixture(scope="module")
def shared(users: Users) -> str:
    """Name of an object whose author may use the Secret that it references."""
    service = IRIS.named("shared").with_spec(
        imagePullSecrets=[{"name": OWN}], env=[{"name": "A", "value": "1"}], autoscaling={"maxReplicas": 5}
    )
    users.store(service)
    return service.name


@pytest.mark.parametrize("spec", SCALING, ids=str)
def test_scaling_requires_no_reference_permission(users: Users, shared: str, spec: dict[str, Any]) -> None:
    assert users.author.patch_model_service(users.namespace, shared, {"spec": spec}).is_accepted


@pytest.mark.parametrize("spec", CHANGES, ids=str)
def test_other_changes_require_all_reference_permissions(users: Users, shared: str, spec: dict[str, Any]) -> None:
    """Otherwise a user who may update the object could change the image and read another author's Secret."""
    assert (
        "you are not allowed to get secrets/own"
        in users.author.patch_model_service(users.namespace, shared, {"spec": spec}).message
    )
    assert users.owner.patch_model_service(users.namespace, shared, {"spec": spec}).is_accepted


def test_labels_and_scale_require_no_reference_permission(users: Users, shared: str) -> None:
    assert users.author.patch_model_service(users.namespace, shared, {"metadata": {"labels": {"a": "b"}}}).is_accepted
    assert users.author.patch_model_service(
        users.namespace, shared, {"spec": {"replicas": 2}}, subresource="scale"
    ).is_accepted


def test_removing_references_requires_no_permission(users: Users, shared: str) -> None:
    assert users.author.patch_model_service(users.namespace, shared, {"spec": {"imagePullSecrets": None}}).is_accepted


def test_user_roles_cannot_write_status(users: Users, shared: str) -> None:
    patch = {"status": {"url": "http://evil.example.com"}}
    for user in (users.viewer, users.author, users.owner):
        assert user.patch_model_service(users.namespace, shared, patch, subresource="status").status == 403


def test_view_role_is_read_only(users: Users, shared: str) -> None:
    assert users.viewer.get(f"/apis/modelservice.dev/v1alpha1/namespaces/{users.namespace}/modelservices")["items"]
    assert users.viewer.patch_model_service(users.namespace, shared, {"metadata": {"labels": {"a": "b"}}}).status == 403
    assert (
        users.viewer.patch_model_service(users.namespace, shared, {"spec": {"replicas": 2}}, subresource="scale").status
        == 403
    )
    assert users.viewer.create_model_service(users.in_namespace(IRIS)).status == 403


@pytest.fixture(scope="module")
def allowlist(users: Users, shared: str) -> None:
    """The allowlist is in force; an existing object violates it."""
    assert shared
    users.cluster.run_kubectl("apply", "-k", str(ROOT / "manifests" / "components" / "sources"))
    probe = users.in_namespace(IRIS.with_spec(image="elsewhere.example.com/probe"))
    wait_until(
        lambda: "may only come from" in users.admin.create_model_service(probe).message,
        seconds=60,
        what="the allowlist",
    )


@pytest.mark.usefixtures("allowlist")
@pytest.mark.parametrize("image", ["iris:1", "registry.example.com.evil.org/iris", "registry.example.community/iris"])
def test_images_outside_the_allowlist_are_rejected(users: Users, image: str) -> None:
    assert (
        "images may only come from registry.example.com/: use one of these, or ask an administrator to add yours to the"
        " ConfigMap modelservice-sources"
    ) in users.admin.create_model_service(users.in_namespace(IRIS.with_spec(image=image))).message


@pytest.mark.usefixtures("allowlist")
def test_allowlisted_sources_are_accepted(users: Users) -> None:
    listed = users.in_namespace(IRIS.with_spec(image="registry.example.com/team/iris:1", model={"uri": "file:///a"}))
    assert users.admin.create_model_service(listed).is_accepted


@pytest.mark.usefixtures("allowlist")
@pytest.mark.parametrize("main", [{}, {"uri": "file:///a"}])
def test_extra_models_come_from_the_allowlist(users: Users, main: dict[str, str]) -> None:
    def create(*uris: str) -> DryRunResponse:
        extra = [{"name": f"a{number}", "uri": uri} for number, uri in enumerate(uris)]
        service = IRIS.with_spec(image="registry.example.com/iris:1", model={**main, "extra": extra})
        return users.admin.create_model_service(users.in_namespace(service))

    assert create("s3://models/a", "s3://models/b").is_accepted
    for other in ("s3://models-of-others/a", "https://example.com/a"):
        assert (
            "extra models may only come from file:, s3://models/: use one of these, or ask an administrator to add"
            " yours to the ConfigMap modelservice-sources"
        ) in create("s3://models/a", other).message


@pytest.mark.usefixtures("allowlist")
def test_existing_objects_pass_until_their_source_changes(users: Users, shared: str) -> None:
    assert users.admin.patch_model_service(users.namespace, shared, {"spec": {"replicas": 2, "env": None}}).is_accepted
    assert (
        "may only come from"
        in users.admin.patch_model_service(users.namespace, shared, {"spec": {"image": "other:1"}}).message
    )


@pytest.mark.usefixtures("allowlist")
def test_missing_allowlist_rejects_everything(users: Users) -> None:
    service = users.in_namespace(IRIS.with_spec(image="registry.example.com/iris:1", model={"uri": "file:///a"}))

    def set_allowlist(models: str) -> None:
        patch = json.dumps({"data": {"models": models}})
        arguments = ("--namespace", "modelservice-system", "patch", "configmap", "modelservice-sources")
        users.cluster.run_kubectl(*arguments, "--type=merge", "-p", patch)

    set_allowlist("s3://models")
    wait_until(
        lambda: "models may only come from s3://models/: use" in users.admin.create_model_service(service).message,
        seconds=60,
        what="the changed allowlist",
    )
    users.cluster.run_kubectl("--namespace", "modelservice-system", "delete", "configmap", "modelservice-sources")
    wait_until(
        lambda: users.admin.create_model_service(service).status in {403, 422},
        seconds=60,
        what="the rejection without an allowlist",
    )
    assert users.cluster.run_kubectl("get", PLURAL, "--all-namespaces", "-o", "name")
