"""Gathers the facts of an install by read requests and reviews, at most some dozens of them."""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from modelservice_operator import __version__
from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.kinds import (
    DEPLOYMENT,
    LEASE,
    MODEL_SERVICE,
    OPTIONAL_CHILD_KINDS,
    POD,
    ResourceKind,
)
from modelservice_operator.apimachinery.objects import NamespacedName, Object, key_of
from modelservice_operator.apimachinery.versions import server_version
from modelservice_operator.check.access import namespace_of_user, questions_about, review_access
from modelservice_operator.check.facts import Facts, LeaseState, Read, ReadList, Unreadable
from modelservice_operator.check.operators import SELECTOR, Install, ParseArguments, install_of
from modelservice_operator.check.policies import POLICY_NAMES
from modelservice_operator.check.server_reader import ServerReader
from modelservice_operator.check.webhooks import intercepting_webhooks
from modelservice_operator.client.rest import RestClient
from modelservice_operator.client.server_clock import ClockReading
from modelservice_operator.errors import ForbiddenError, OperatorError
from modelservice_operator.resources.metadata import MANAGED_SELECTOR
from modelservice_operator.settings import LEASE_NAME, LEASE_VERSION_ANNOTATION

CRD = ResourceKind(
    group="apiextensions.k8s.io", version="v1", kind="CustomResourceDefinition", plural="customresourcedefinitions"
)
NAMESPACE = ResourceKind(group="", version="v1", kind="Namespace", plural="namespaces")
ENDPOINT_SLICE = ResourceKind(group="discovery.k8s.io", version="v1", kind="EndpointSlice", plural="endpointslices")
_ADMISSION = "admissionregistration.k8s.io"
POLICY = ResourceKind(
    group=_ADMISSION, version="v1", kind="ValidatingAdmissionPolicy", plural="validatingadmissionpolicies"
)
BINDING = ResourceKind(
    group=_ADMISSION, version="v1", kind="ValidatingAdmissionPolicyBinding", plural="validatingadmissionpolicybindings"
)
WEBHOOK_CONFIGURATIONS = tuple(
    ResourceKind(group=_ADMISSION, version="v1", kind=kind, plural=f"{kind.lower()}s")
    for kind in ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
)
_WHO_AM_I = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_METRICS_API = "/apis/metrics.k8s.io/v1beta1"
_PUBLISHED_SCHEMA = f"/openapi/v3/apis/{MODEL_SERVICE.group}/{MODEL_SERVICE.version}"
_RENEWAL_SECONDS = 5.0
"""Time in which a leader renews its Lease at least once."""
_FINISHED_PAGES = 1

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Subject of a check."""

    parse: ParseArguments
    namespace: str = ""
    """Search for operators in this namespace only; empty searches all of them."""


async def gather_facts(client: RestClient, scope: Scope, *, clock: Clock = SYSTEM_CLOCK) -> Facts:
    """Read everything that the checks need.

    Raises TransientError if the API server cannot be reached, or rejects the credentials.
    """
    kubernetes = await _read_kubernetes_version(client)
    return await _Gatherer(client, scope, clock).gather(kubernetes)


async def _read_kubernetes_version(client: RestClient) -> str | Unreadable:
    try:
        return server_version(await client.request("GET", "/version"))
    except ForbiddenError as error:
        return Unreadable(str(error))


class _Gatherer:
    """Reads the facts; what does not depend on each other is read concurrently."""

    def __init__(self, client: RestClient, scope: Scope, clock: Clock) -> None:
        self._client = client
        self._reader = ServerReader(client)
        self._scope = scope
        self._clock = clock

    async def gather(self, kubernetes: str | Unreadable) -> Facts:
        clock = await self._read_clock()
        user = await self._read_user()
        crd, (installs, unreadable), webhooks = await asyncio.gather(
            self._reader.get(CRD.path(name=f"{MODEL_SERVICE.plural}.{MODEL_SERVICE.group}")),
            self._read_installs(user),
            self._read_webhooks(),
        )
        published, pods, leases, reviews, endpoints, model_pods = await asyncio.gather(
            self._read_published_schema(crd),
            _gather_by_key({one.key: self._read_pods(one) for one in installs}),
            self._read_leases(installs),
            review_access(self._reader, questions_about(installs), own_user=user),
            self._read_endpoints(webhooks),
            self._read_model_pods(installs),
        )
        namespaces, served, policies, bindings, metrics_api = await asyncio.gather(
            self._read_namespaces(installs),
            _gather_by_key({kind: self._reader.serves(kind) for kind in (*OPTIONAL_CHILD_KINDS, POLICY)}),
            _gather_by_key({name: self._reader.get(POLICY.path(name=name)) for name in POLICY_NAMES}),
            self._reader.list(BINDING.path()),
            self._read_metrics_api(),
        )
        return Facts(
            version=__version__,
            user=user,
            scope=self._scope.namespace,
            kubernetes=kubernetes,
            clock=clock,
            crd=crd,
            published_schema=published,
            installs=installs,
            installs_unreadable=unreadable,
            pods=pods,
            leases=leases,
            namespaces=namespaces,
            reviews=reviews,
            served=served,
            policies=policies,
            bindings=bindings,
            metrics_api=metrics_api,
            webhooks=webhooks,
            endpoints=endpoints,
            model_pods=model_pods,
        )

    async def _read_clock(self) -> ClockReading | Unreadable:
        try:
            return await self._client.read_server_clock("/version")
        except OperatorError as error:
            return Unreadable(str(error))

    async def _read_user(self) -> str:
        """Return the name of the own user; empty if the API server does not say it."""
        answer = await self._reader.post(
            _WHO_AM_I, {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        )
        if isinstance(answer, Unreadable):
            return ""
        return str(((answer.get("status") or {}).get("userInfo") or {}).get("username", ""))

    async def _read_installs(self, user: str) -> tuple[tuple[Install, ...], Unreadable | None]:
        """Return the installs, and why there may be others. Who must not read all namespaces reads the own one."""
        found = await self._reader.list(DEPLOYMENT.path(namespace=self._scope.namespace), selector=SELECTOR)
        reason = found if isinstance(found, Unreadable) else None
        if reason is not None and not self._scope.namespace and (own := namespace_of_user(user)):
            found = await self._reader.list(DEPLOYMENT.path(namespace=own), selector=SELECTOR)
        bodies = () if isinstance(found, Unreadable) else found
        installs = (install_of(body, self._scope.parse) for body in bodies)
        return tuple(one for one in installs if one is not None), reason

    async def _read_pods(self, install: Install) -> ReadList:
        return await self._reader.list(POD.path(namespace=install.key.namespace), selector=install.selector)

    async def _read_published_schema(self, crd: Read) -> Read:
        """Return the schema that every user may read, if the CRD itself is unreadable."""
        if not isinstance(crd, Unreadable):
            return None
        document = await self._reader.get(_PUBLISHED_SCHEMA)
        if document is None or isinstance(document, Unreadable):
            return document
        schemas = (document.get("components") or {}).get("schemas") or {}
        return next((schema for name, schema in schemas.items() if name.endswith(f".{MODEL_SERVICE.kind}")), None)

    async def _read_leases(self, installs: Iterable[Install]) -> dict[NamespacedName, LeaseState | Unreadable | None]:
        """Return the Leases of the installs, and those of operators that run outside of the cluster."""
        wanted = {one.arguments.lease for one in installs if one.arguments.lease is not None}
        found = await self._reader.list(LEASE.path(namespace=self._scope.namespace))
        if not isinstance(found, Unreadable):
            wanted |= {key_of(body) for body in found if key_of(body).name.startswith(LEASE_NAME)}
        return await _gather_by_key({key: self._read_lease(key) for key in sorted(wanted)})

    async def _read_lease(self, key: NamespacedName) -> LeaseState | Unreadable | None:
        """Return the state of a Lease. If its time is not recent, wait for a renewal: clocks of machines may differ."""
        path = LEASE.path(namespace=key.namespace, name=key.name)
        first = await self._reader.get(path)
        if first is None or isinstance(first, Unreadable):
            return first
        if not _is_held(first) or self._is_recent(first):
            return _lease_state(key, first, is_fresh=_is_held(first))
        await asyncio.sleep(_RENEWAL_SECONDS)
        second = await self._reader.get(path)
        if second is None or isinstance(second, Unreadable):
            return second
        is_fresh = first["metadata"]["resourceVersion"] != second["metadata"]["resourceVersion"]
        return _lease_state(key, second, is_fresh=is_fresh and _is_held(second))

    def _is_recent(self, lease: Object) -> bool:
        spec = lease.get("spec") or {}
        renewed = _parse_time(spec.get("renewTime", ""))
        if renewed is None:
            return False
        age = (self._clock.now() - renewed).total_seconds()
        return bool(abs(age) <= spec.get("leaseDurationSeconds", 0))

    async def _read_namespaces(self, installs: Iterable[Install]) -> Mapping[str, Read]:
        names: dict[str, None] = {}
        for one in installs:
            names |= dict.fromkeys((one.key.namespace, *one.arguments.namespaces))
            names |= {one.arguments.lease.namespace: None} if one.arguments.lease is not None else {}
        return await _gather_by_key({name: self._reader.get(NAMESPACE.path(name=name)) for name in names})

    async def _read_metrics_api(self) -> bool | Unreadable:
        found = await self._reader.get(_METRICS_API)
        return found if isinstance(found, Unreadable) else found is not None

    async def _read_webhooks(self) -> ReadList:
        found = await asyncio.gather(*(self._reader.list(kind.path()) for kind in WEBHOOK_CONFIGURATIONS))
        bodies: list[Object] = []
        for kind, one in zip(WEBHOOK_CONFIGURATIONS, found, strict=True):
            if isinstance(one, Unreadable):
                return one
            bodies += ({"kind": kind.kind} | body for body in one)
        return tuple(bodies)

    async def _read_endpoints(self, webhooks: ReadList) -> Mapping[NamespacedName, bool | Unreadable]:
        if isinstance(webhooks, Unreadable):
            return {}
        services = {one.service for one in intercepting_webhooks(webhooks) if one.service is not None}
        return await _gather_by_key({key: self._has_ready_endpoint(key) for key in sorted(services)})

    async def _has_ready_endpoint(self, service: NamespacedName) -> bool | Unreadable:
        path = ENDPOINT_SLICE.path(namespace=service.namespace)
        slices = await self._reader.list(path, selector=f"kubernetes.io/service-name={service.name}")
        if isinstance(slices, Unreadable):
            return slices
        endpoints = (endpoint for body in slices for endpoint in body.get("endpoints") or ())
        return any((one.get("conditions") or {}).get("ready", True) for one in endpoints)

    async def _read_model_pods(self, installs: tuple[Install, ...]) -> ReadList:
        """Return the pending pods of ModelServices, and a page of the running ones."""
        namespaces = {""}
        if installs and all(one.arguments.namespaces for one in installs):
            namespaces = {name for one in installs for name in one.arguments.namespaces}
        lists = await asyncio.gather(
            *(
                self._reader.list(
                    POD.path(namespace=name), selector=MANAGED_SELECTOR, fields=f"status.phase={phase}", max_pages=pages
                )
                for name in sorted(namespaces)
                for phase, pages in (("Pending", 4), ("Running", _FINISHED_PAGES))
            )
        )
        bodies: list[Object] = []
        for found in lists:
            if isinstance(found, Unreadable):
                return found
            bodies += found
        return tuple(bodies)


async def _gather_by_key(coroutines: Mapping[Key, Awaitable[Value]]) -> dict[Key, Value]:
    """Await the values of a mapping concurrently."""
    found = await asyncio.gather(*coroutines.values())
    return dict(zip(coroutines, found, strict=True))


def _is_held(lease: Object) -> bool:
    return bool((lease.get("spec") or {}).get("holderIdentity"))


def _lease_state(key: NamespacedName, lease: Object, *, is_fresh: bool) -> LeaseState:
    annotations = lease["metadata"].get("annotations") or {}
    return LeaseState(
        key=key,
        holder=(lease.get("spec") or {}).get("holderIdentity") or "",
        version=annotations.get(LEASE_VERSION_ANNOTATION, ""),
        is_fresh=is_fresh,
    )


def _parse_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
