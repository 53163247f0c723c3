"""Gathers the cached objects of one ModelService into a snapshot."""

from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.apimachinery.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, POD, REPLICA_SET, SERVICE
from modelservice_operator.apimachinery.objects import NamespacedName, Object
from modelservice_operator.apply.ownership import Ownership, is_owned_by, ownership_of
from modelservice_operator.cache.informers import InformerSet
from modelservice_operator.errors import OperatorError
from modelservice_operator.resources import DesiredChild
from modelservice_operator.status.pods import Pod
from modelservice_operator.status.snapshot import DeploymentStatus, Snapshot, load_balancer_address


class Gatherer:
    """Reads the caches; sends no request."""

    def __init__(self, informers: InformerSet) -> None:
        self._informers = informers

    def gather(
        self, service: ModelService, children: tuple[DesiredChild, ...] = (), failure: OperatorError | None = None
    ) -> Snapshot:
        """Return a snapshot of `service`. `children` are the desired ones, `failure` why they could not be applied."""
        key = service.metadata.key
        deployment = self._informers.get(DEPLOYMENT, key)
        return Snapshot(
            service=service,
            child_kinds=tuple(child.kind for child in children),
            rollout=None if deployment is None else DeploymentStatus.of(deployment),
            load_balancer=load_balancer_address(self._informers.get(SERVICE, key)),
            failure=failure,
            pods=tuple(Pod.of(body) for body in self._informers.by_index(POD, key)),
            replica_sets=self._informers.by_index(REPLICA_SET, key),
            autoscaler=self._own_autoscaler(key, service),
            foreign_autoscalers=self._foreign_autoscalers(key, service),
        )

    def _own_autoscaler(self, key: NamespacedName, service: ModelService) -> Object | None:
        live = self._informers.get(HORIZONTAL_POD_AUTOSCALER, key)
        return live if is_owned_by(live, service) else None

    def _foreign_autoscalers(self, key: NamespacedName, service: ModelService) -> tuple[str, ...]:
        """Return the names of the autoscalers of other owners that target the Deployment."""
        return tuple(
            autoscaler["metadata"]["name"]
            for autoscaler in self._informers.by_index(HORIZONTAL_POD_AUTOSCALER, key)
            if ownership_of(autoscaler, service) is Ownership.NOT_OWNED
            and autoscaler["spec"].get("scaleTargetRef", {}).get("name") == key.name
        )
