"""Gathers the cached objects of one ModelService into a snapshot."""

from dataclasses import replace

from modelservice_operator.api.v1alpha1 import ModelService
from modelservice_operator.apimachinery.kinds import (
    CRON_JOB,
    DEPLOYMENT,
    DIAGNOSTIC_KINDS,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    INGRESS,
    POD,
    REPLICA_SET,
    SERVICE,
    ResourceKind,
)
from modelservice_operator.apimachinery.objects import NamespacedName, Object
from modelservice_operator.apply.autoscalers import find_foreign_autoscalers
from modelservice_operator.apply.ownership import is_owned_by
from modelservice_operator.cache.informers import InformerSet
from modelservice_operator.controller.pod_cache import PodCache
from modelservice_operator.errors import KindNotServedError, OperatorError
from modelservice_operator.resources import DesiredChild
from modelservice_operator.resources.metadata import service_name
from modelservice_operator.status.diagnosis import diagnose
from modelservice_operator.status.serving import is_serving
from modelservice_operator.status.snapshot import DeploymentStatus, Snapshot, load_balancer_address, route_parents


class Gatherer:
    """Reads the caches; sends no request."""

    def __init__(self, informers: InformerSet) -> None:
        self._informers = informers
        self._pods = PodCache()

    def gather(
        self, service: ModelService, children: tuple[DesiredChild, ...] = (), failure: OperatorError | None = None
    ) -> Snapshot:
        """Return a snapshot of `service`. `children` are the desired ones, `failure` why they could not be applied."""
        key = service.metadata.key
        sidecars = frozenset(sidecar.name for sidecar in service.spec.sidecars or ())
        service_key = NamespacedName(key.namespace, service_name(service))
        deployment = self._informers.get(DEPLOYMENT, key)
        snapshot = Snapshot(
            service=service,
            children=tuple((child.kind, child.key) for child in children),
            rollout=None if deployment is None else DeploymentStatus.of(deployment),
            load_balancer=load_balancer_address(self._owned(SERVICE, service_key, service)),
            ingress_address=load_balancer_address(self._owned(INGRESS, key, service)),
            route_parents=route_parents(self._owned(HTTP_ROUTE, key, service)),
            failure=failure,
            pods=self._pods.parse(self._informers.by_index(POD, key), sidecars),
            replica_sets=self._informers.by_index(REPLICA_SET, key),
            autoscaler=self._owned(HORIZONTAL_POD_AUTOSCALER, key, service),
            cron_job=self._cron_job(children, service),
            foreign_autoscalers=find_foreign_autoscalers(self._informers, service),
        )
        return self._explain_blindness(snapshot)

    def _explain_blindness(self, snapshot: Snapshot) -> Snapshot:
        """Report that pods cannot be read, if their states would say why the ModelService does not serve."""
        namespace = snapshot.service.metadata.namespace
        reasons = (self._informers.explain_unavailable(kind, namespace) for kind in DIAGNOSTIC_KINDS)
        reason = next(filter(None, reasons), None)
        if reason is None or snapshot.failure is not None or is_serving(snapshot, diagnose(snapshot)):
            return snapshot
        error = KindNotServedError(f"Not all pods are ready, and their states cannot be read: {reason}")
        return replace(snapshot, failure=error)

    def _owned(self, kind: ResourceKind, key: NamespacedName, service: ModelService) -> Object | None:
        live = self._informers.get(kind, key)
        return live if is_owned_by(live, service) else None

    def _cron_job(self, children: tuple[DesiredChild, ...], service: ModelService) -> Object | None:
        keys = (child.key for child in children if child.kind is CRON_JOB)
        return next((self._owned(CRON_JOB, key, service) for key in keys), None)
