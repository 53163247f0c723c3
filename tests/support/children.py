"""What Kubernetes says of the children that an accepted ModelService stands for."""

from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.kinds import OPTIONAL_CHILD_KINDS
from modelservice_operator.resources import DesiredChild, build_children
from tests.support.dry_run import Answer, DryRun


def rejections(server: DryRun, child: DesiredChild) -> list[str]:
    """What Kubernetes says against a child; nothing of kinds whose CRDs are not installed."""
    if child.kind in OPTIONAL_CHILD_KINDS:
        return []
    path = child.kind.path(namespace=child.body["metadata"]["namespace"])
    answer = server.create_body(path, child.create_body())
    return [] if answer.accepted else [f"{child.kind.kind}: {answer.message[:400]}"]


def refused_children(server: DryRun, answer: Answer) -> list[str]:
    """What Kubernetes says against the children of an object, none while it is not accepted itself."""
    if not answer.accepted:
        return []
    return [said for child in build_children(ModelService.parse(answer.body)) for said in rejections(server, child)]
