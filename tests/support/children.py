"""Validation by the API server of the children of an accepted ModelService."""

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import OPTIONAL_CHILD_KINDS
from modelservice_operator.resources import DesiredChild, build_children
from tests.support.dry_run import DryRunClient, DryRunResponse


def rejections_of_child(server: DryRunClient, child: DesiredChild) -> list[str]:
    """Return the API server's error for a child; none for kinds whose CRDs are not installed."""
    if child.kind in OPTIONAL_CHILD_KINDS:
        return []
    path = child.kind.path(namespace=child.body["metadata"]["namespace"])
    answer = server.create(path, child.create_body())
    return [] if answer.is_accepted else [f"{child.kind.kind}: {answer.message[:400]}"]


def rejections_of_children(server: DryRunClient, answer: DryRunResponse) -> list[str]:
    """Return the API server's errors for the children of an object; none if the object itself was rejected."""
    if not answer.is_accepted:
        return []
    return [
        message
        for child in build_children(ModelService.parse(answer.body))
        for message in rejections_of_child(server, child)
    ]
