"""Generates the admission policy for references from the list of fields that reference an object. No I/O.

The author of a ModelService must be allowed to use each object that it references. The policy collects their names,
without duplicates, and has one expression for each: one check of the API server's authorizer costs a third of the limit
of an expression (k8s.io/apiserver, PerCallLimit).
"""

from typing import Any, NamedTuple

import yaml

from modelservice_operator import __version__
from modelservice_operator.api.crdgen.crd import VERSION_ANNOTATION
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE

NAME = "modelservice-references"
MAX_REFERENCES = 24
"""Different objects that a ModelService may reference. More checks would exceed the limit of a policy."""
MAX_PLACES = 128
"""Fields with a reference per object. Duplicates are found by comparing each with those before it."""


class Right(NamedTuple):
    """Permission that a reference requires."""

    verb: str
    group: str
    resource: str


SECRET = Right("get", "", "secrets")
CONFIG_MAP = Right("get", "", "configmaps")
CLAIM = Right("get", "", "persistentvolumeclaims")
DEVICE_CLAIM = Right("get", "resource.k8s.io", "resourceclaims")
DEVICE_CLAIM_TEMPLATE = Right("get", "resource.k8s.io", "resourceclaimtemplates")
ACCOUNT = Right("impersonate", "", "serviceaccounts")

_CONTAINER = {
    "env[].valueFrom.secretKeyRef.name": SECRET,
    "env[].valueFrom.configMapKeyRef.name": CONFIG_MAP,
    "envFrom[].secretRef.name": SECRET,
    "envFrom[].configMapRef.name": CONFIG_MAP,
}
REFERENCES: dict[str, Right] = {
    "imagePullSecrets[].name": SECRET,
    **_CONTAINER,
    **{f"initContainers[].{path}": right for path, right in _CONTAINER.items()},
    **{f"sidecars[].{path}": right for path, right in _CONTAINER.items()},
    "mounts[].secret.name": SECRET,
    "mounts[].configMap.name": CONFIG_MAP,
    "mounts[].persistentVolumeClaim.claimName": CLAIM,
    "mounts[].csi.nodePublishSecretRef.name": SECRET,
    "mounts[].projected.sources[].secret.name": SECRET,
    "mounts[].projected.sources[].configMap.name": CONFIG_MAP,
    "model.credentials.secretRef.name": SECRET,
    "model.extra[].credentials.secretRef.name": SECRET,
    "model.cache.persistentVolumeClaim.claimName": CLAIM,
    "expose.ingress.tlsSecretName": SECRET,
    "expose.ingress.tls[].secretName": SECRET,
    "resourceClaims[].resourceClaimName": DEVICE_CLAIM,
    "resourceClaims[].resourceClaimTemplateName": DEVICE_CLAIM_TEMPLATE,
    "serviceAccountName": ACCOUNT,
}
"""Path of each field of the spec with the name of an object, and the permission that the author needs."""

_URI = "string(variables.spec.?model.?uri.orValue(''))"
_DERIVED: dict[str, Right] = {f"{_URI}.startsWith('pvc://') ? {_URI}.split('/')[2] : ''": CLAIM}
"""Expressions for a name that is not the value of a field, or an empty string."""

_SCALING = "['replicas', 'autoscaling', 'suspend']"
_CHANGES = (
    "request.operation == 'CREATE' || (has(object.spec) != has(oldObject.spec)"
    " || (has(object.spec) && dyn(object.spec) != dyn(oldObject.spec)))"
    " && (!has(object.spec) || !has(oldObject.spec)"
    " || type(dyn(object.spec)) != map || type(dyn(oldObject.spec)) != map"
    f" || dyn(object.spec).exists(field, !(field in {_SCALING})"
    " && (!(field in dyn(oldObject.spec)) || dyn(object.spec)[field] != dyn(oldObject.spec)[field]))"
    f" || dyn(oldObject.spec).exists(field, !(field in {_SCALING}) && !(field in dyn(object.spec))))"
)
_SENTENCE = (
    "'you are not allowed to ' + it[0] + ' ' + it[2] + '/' + it[3] + ' in namespace ' + object.metadata.namespace"
    " + ', which this ModelService references: reference another object or ask for the permission'"
)


_HEADER = """\
# Generated from operator/modelservice_operator/api/crdgen/references.py by make generate; do not edit.
#
# The author of a ModelService must have the permission to use each Secret, ConfigMap, PersistentVolumeClaim,
# ResourceClaim (`get`) and ServiceAccount (`impersonate`) that it references. Otherwise the permission to create
# ModelServices would include reading any Secret of the namespace. The API server checks the author with its own
# authorizer; there is no webhook.
#
# Checked on creation and on each update of spec beyond scaling: a user who may only scale needs no permission for the
# references, but a user who changes the image would otherwise pass the Secrets of other users to it.
"""


class _Dumper(yaml.SafeDumper):
    """Folds long expressions."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style=">" if len(text) > _LINE_LENGTH else None
    ),
)
_LINE_LENGTH = 100


def policy() -> str:
    """Return the policy and its binding as YAML."""
    objects = [
        _object("ValidatingAdmissionPolicy", policy_spec()),
        _object("ValidatingAdmissionPolicyBinding", {"policyName": NAME, "validationActions": ["Deny"]}),
    ]
    return _HEADER + yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, width=_LINE_LENGTH)


def _object(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": NAME, "annotations": {VERSION_ANNOTATION: __version__}},
        "spec": spec,
    }


def policy_spec() -> dict[str, Any]:
    """Return the spec of the policy."""
    rule = {
        "apiGroups": [MODEL_SERVICE.group],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE"],
        "resources": [MODEL_SERVICE.plural],
    }
    return {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": [{"name": "spec-changes-beyond-scaling", "expression": _CHANGES}],
        "variables": [{"name": name, "expression": expression} for name, expression in _variables().items()],
        "validations": [_count(), *(_check(number) for number in range(MAX_REFERENCES))],
    }


def _variables() -> dict[str, str]:
    rights = dict.fromkeys((*REFERENCES.values(), *_DERIVED.values()))
    numbers = ", ".join(str(number) for number in range(MAX_PLACES))
    return {
        # An object that the operator cannot parse (InvalidSpec) references nothing.
        "spec": "has(object.spec) && type(dyn(object.spec)) == map ? dyn(object.spec) : dyn({})",
        **{right.resource: _names(right) for right in rights},
        "places": " + ".join(_as_texts(right) for right in rights),
        "references": f"[{numbers}].filter(i, i < variables.places.size()"
        " && variables.places.indexOf(variables.places[i]) == i).map(i, variables.places[i].split('/'))",
        "sentences": f"variables.references.map(it, {_SENTENCE})",
    }


def _as_texts(right: Right) -> str:
    return f"variables.{right.resource}.map(name, '{'/'.join(right)}/' + name)"


def _names(right: Right) -> str:
    """Return an expression for the names of the objects that require `right`. No name contains a slash."""
    parts = [_joined("variables.spec", path) for path, required in REFERENCES.items() if required == right]
    parts += [expression for expression, required in _DERIVED.items() if required == right]
    return f"[{', '.join(parts)}].join('/').split('/').filter(name, name != '')"


def _joined(node: str, path: str, depth: int = 0) -> str:
    """Return an expression for the names at `path` below `node`, separated by slashes."""
    outer, is_list, inner = path.partition("[].")
    field = node + "".join(f".?{step}" for step in outer.split("."))
    if not is_list:
        return f"string({field}.orValue(''))"
    return f"{field}.orValue([]).map(it{depth}, {_joined(f'it{depth}', inner, depth + 1)}).join('/')"


def _count() -> dict[str, str]:
    return {
        "expression": f"variables.places.size() <= {MAX_PLACES} && variables.references.size() <= {MAX_REFERENCES}",
        "message": f"at most {MAX_REFERENCES} Secrets, ConfigMaps and other objects can be referenced, in at most"
        f" {MAX_PLACES} places: combine objects that belong together",
    }


def _check(number: int) -> dict[str, str]:
    reference = f"variables.references[{number}]"
    return {
        "expression": f"variables.references.size() <= {number} || authorizer.group({reference}[1])"
        f".resource({reference}[2]).namespace(object.metadata.namespace).name({reference}[3])"
        f".check({reference}[0]).allowed()",
        "messageExpression": f"variables.sentences[{number}]",
        "reason": "Forbidden",
    }
