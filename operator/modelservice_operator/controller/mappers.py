"""Map functions: from an object to the keys of the ModelServices it affects (controller-runtime, handler.MapFunc)."""

from modelservice_operator.apimachinery.kinds import DEPLOYMENT, MODEL_SERVICE
from modelservice_operator.apimachinery.objects import NamespacedName, Object, key_of
from modelservice_operator.apimachinery.well_known import INSTANCE_LABEL


def map_autoscaler(body: Object) -> tuple[NamespacedName, ...]:
    """Map an autoscaler to the ModelService of its name, and to the one whose Deployment it scales."""
    own, target = key_of(body), (body.get("spec") or {}).get("scaleTargetRef") or {}
    if target.get("kind") != DEPLOYMENT.kind or target.get("name") in {None, own.name}:
        return (own,)
    return own, NamespacedName(own.namespace, target["name"])


def map_named_child(body: Object) -> tuple[NamespacedName, ...]:
    """Map a child that can have its own name to the ModelService that owns it, and to the one of its name.

    The latter may wait for the name. The label counts as well as the owner reference: another client may remove either.
    """
    metadata, own = body["metadata"], key_of(body)
    owners = [owner.get("name") for owner in metadata.get("ownerReferences") or () if _is_model_service(owner)]
    names = (own.name, *owners, (metadata.get("labels") or {}).get(INSTANCE_LABEL))
    return tuple(NamespacedName(own.namespace, name) for name in dict.fromkeys(names) if name)


def _is_model_service(owner: Object) -> bool:
    return bool(owner.get("controller")) and owner.get("kind") == MODEL_SERVICE.kind


def map_by_instance_label(body: Object) -> tuple[NamespacedName, ...]:
    """Map a Pod or ReplicaSet to the ModelService that its instance label names."""
    labels = body["metadata"].get("labels") or {}
    return (NamespacedName(key_of(body).namespace, labels.get(INSTANCE_LABEL, "")),)
