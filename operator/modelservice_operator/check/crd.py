"""Judges the CustomResourceDefinition: is it there, in use, and that of this version? Pure."""

from collections.abc import Iterator
from functools import cache

from modelservice_operator.api.crdgen.crd import VERSION_ANNOTATION, custom_resource_definition
from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.objects import Json, Object
from modelservice_operator.apimachinery.versions import parse_version
from modelservice_operator.check.facts import Facts, Unreadable
from modelservice_operator.check.findings import Finding, FindingID, error, ok, unreadable, warning
from modelservice_operator.check.fixes import INSTALL_CRD
from modelservice_operator.check.schema_diff import is_same_schema, missing_fields

NAME = f"{MODEL_SERVICE.plural}.{MODEL_SERVICE.group}"
_SHOW = f"kubectl get crd {NAME} -o yaml"
_MAX_NAMED_FIELDS = 5


@cache
def _wanted_version() -> Json:
    """Return the version of the CRD that belongs to this program; its generation takes a moment."""
    [version] = custom_resource_definition()["spec"]["versions"]
    return version


def check_crd(facts: Facts) -> Iterator[Finding]:
    """Yield what is so about the CRD."""
    crd = facts.crd
    if isinstance(crd, Unreadable):
        yield unreadable(FindingID.CRD_UNREADABLE, f"the CRD {NAME}", crd.reason, facts.user)
        yield from _check_published(facts)
    elif crd is None:
        yield _missing()
    elif (foreign := _explain_foreign(crd)) is not None:
        yield error(FindingID.CRD_FOREIGN, f"The CRD {NAME} is not that of ModelService: {foreign}.", _SHOW)
    else:
        yield from _check_own(crd, facts.version)


def _missing() -> Finding:
    text = f"The CRD {NAME} is missing: no ModelService can be created, and the operator waits for it."
    return error(FindingID.CRD_MISSING, text, INSTALL_CRD)


def _explain_foreign(crd: Object) -> str | None:
    """Return why the CRD is that of another project; None if it is not."""
    spec = crd["spec"]
    if spec["names"]["kind"] != MODEL_SERVICE.kind:
        return f"its kind is {spec['names']['kind']}"
    if spec.get("scope") != "Namespaced":
        return f"its scope is {spec.get('scope')}"
    if (spec.get("conversion") or {}).get("strategy", "None") != "None":
        return "it has a conversion webhook"
    version = _served_version(crd)
    return None if version is not None else f"it does not serve {MODEL_SERVICE.version}"


def _served_version(crd: Object) -> Json | None:
    versions = (one for one in crd["spec"]["versions"] if one.get("served"))
    return next((one for one in versions if one["name"] == MODEL_SERVICE.version), None)


def _check_own(crd: Object, own_version: str) -> Iterator[Finding]:
    problems = [*_check_conditions(crd), *_check_schema(crd, own_version), *_check_stored_versions(crd)]
    if problems:
        yield from problems
    else:
        yield ok(FindingID.CRD, f"The CRD {NAME} is established and that of version {own_version}.")


def _check_conditions(crd: Object) -> Iterator[Finding]:
    conditions = {one["type"]: one for one in (crd.get("status") or {}).get("conditions") or ()}
    if crd["metadata"].get("deletionTimestamp"):
        text = (
            f"The CRD {NAME} is being deleted, and all ModelServices with it. Once they are deleted, install it again;"
            " to keep the pods, orphan the children of each ModelService first."
        )
        yield error(FindingID.CRD_TERMINATING, text, f"kubectl wait --for=delete crd/{NAME} && {INSTALL_CRD}")
    elif (conditions.get("Established") or {}).get("status") != "True":
        names = conditions.get("NamesAccepted") or {}
        reason = f": {names.get('message')}" if names.get("status") == "False" else ""
        yield error(
            FindingID.CRD_NOT_ESTABLISHED, f"The CRD {NAME} is not served{reason}.", f"kubectl describe crd {NAME}"
        )


def _check_schema(crd: Object, own_version: str) -> Iterator[Finding]:
    version, wanted = _served_version(crd) or {}, _wanted_version()
    schema, wanted_schema = (one["schema"]["openAPIV3Schema"] for one in (version, wanted))
    missing = missing_fields(schema, wanted_schema)
    missing += [f"subresource {name}" for name in wanted["subresources"] if name not in version.get("subresources", {})]
    recorded = (crd["metadata"].get("annotations") or {}).get(VERSION_ANNOTATION, "")
    if recorded == own_version and is_same_schema(schema, wanted_schema) and not missing:
        return
    order = _compare_versions(recorded, own_version)
    if order > 0:
        yield _newer(recorded, own_version, missing)
    elif order < 0 or not recorded:
        yield _older(recorded, own_version, missing)
    else:
        yield _edited(own_version, missing)


def _compare_versions(one: str, other: str) -> int:
    first, second = parse_version(one), parse_version(other)
    return (first > second) - (first < second) if first else 0


def _newer(recorded: str, own: str, missing: list[str]) -> Finding:
    text = f"The CRD {NAME} is of version {recorded}, and this program of version {own}: it ignores the newer fields."
    fix = f"kubectl -n modelservice-system set image deployment/modelservice-operator operator=IMAGE:{recorded}"
    if missing:
        text += f" Fields that it needs were removed: {_name_fields(missing)}."
        return error(FindingID.CRD_NEWER, text, fix)
    return warning(FindingID.CRD_NEWER, text, fix)


def _older(recorded: str, own: str, missing: list[str]) -> Finding:
    version = f"is of version {recorded}" if recorded else "records no version"
    if missing:
        text = (
            f"The CRD {NAME} {version}, and this program is of version {own}. The API server drops fields that it"
            f" needs: {_name_fields(missing)}."
        )
        return error(FindingID.CRD_OLDER, text, INSTALL_CRD)
    text = f"The CRD {NAME} {version}, and this program is of version {own}: its rules may be older."
    return warning(FindingID.CRD_OLDER, text, INSTALL_CRD)


def _edited(own: str, missing: list[str]) -> Finding:
    text = f"The CRD {NAME} says that it is of version {own}, but its schema was changed."
    if missing:
        text += f" The API server drops fields that the operator needs: {_name_fields(missing)}."
        return error(FindingID.CRD_EDITED, text, INSTALL_CRD)
    return warning(FindingID.CRD_EDITED, text, INSTALL_CRD)


def _name_fields(paths: list[str]) -> str:
    named = ", ".join(paths[:_MAX_NAMED_FIELDS])
    rest = len(paths) - _MAX_NAMED_FIELDS
    return f"{named} and {rest} more" if rest > 0 else named


def _check_stored_versions(crd: Object) -> Iterator[Finding]:
    stored = (crd.get("status") or {}).get("storedVersions") or []
    unknown = [name for name in stored if name != MODEL_SERVICE.version]
    if not unknown:
        return
    text = (
        f"ModelServices may still be stored as {', '.join(unknown)}, which this version does not know. Write each of"
        " them once with a version that knows both, then remove the name from the status of the CRD."
    )
    patch = f'[{{"op":"replace","path":"/status/storedVersions","value":["{MODEL_SERVICE.version}"]}}]'
    fix = f"kubectl patch crd {NAME} --subresource=status --type=json -p '{patch}'"
    yield warning(FindingID.CRD_STORED_VERSIONS, text, fix)


def _check_published(facts: Facts) -> Iterator[Finding]:
    """Judge the fields by the OpenAPI document, which every user may read."""
    if isinstance(facts.published_schema, Unreadable):
        return
    if facts.published_schema is None:
        yield _missing()
        return
    missing = missing_fields(facts.published_schema, _wanted_version()["schema"]["openAPIV3Schema"])
    if missing:
        yield _older("", facts.version, missing)
    else:
        yield ok(FindingID.CRD, f"The CRD {NAME} is served, with all fields of version {facts.version}.")
