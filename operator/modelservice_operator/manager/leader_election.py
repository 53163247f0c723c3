"""Leader election with a Lease (coordination.k8s.io/v1), as client-go's tools/leaderelection does it.

Other replicas are standbys with warm caches. Clocks of different machines are never compared: a leader counts as gone
when its Lease has not changed for the whole lease duration, by the monotonic clock of the standby. A leader stops to
write when its last renewal is older than the renew deadline, counted from before that request was sent: the standby
sees the renewal later, and waits longer. A write that is in flight then is protected by UIDs and versions.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from modelservice_operator import __version__
from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.kinds import LEASE
from modelservice_operator.apimachinery.versions import parse_version
from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import (
    AdmissionUnavailableError,
    ConflictError,
    LeadershipLostError,
    NamespaceTerminatingError,
    ObjectNotFoundError,
    OperatorError,
    TransientError,
)
from modelservice_operator.manager.lease_owner import find_lease_owners
from modelservice_operator.metrics.instruments import WriteReason, record_write
from modelservice_operator.settings import LEASE_NAME, LEASE_VERSION_ANNOTATION

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderElectionConfig:
    """Times in seconds; the defaults are those of Kubernetes' own controllers."""

    lease_duration: float = 15.0
    """A Lease that has not changed for this long can be acquired."""
    renew_deadline: float = 10.0
    """A leader that could not renew for this long stops, well before another replica may start."""
    retry_period: float = 2.0
    """Time between two attempts to acquire or renew."""
    rollback_delay: float = 10.0
    """Additional time for which a candidate waits if the last leader was of a newer version: in a rolling update,
    another replica of that version should lead, so that two versions do not take turns."""


def default_lease_name(namespaces: Sequence[str]) -> str:
    """Return the name of the Lease of all replicas that serve the same namespaces; none means all of them."""
    names = sorted(set(namespaces))
    if not names:
        return LEASE_NAME
    suffix = names[0] if len(names) == 1 else hashlib.sha256(",".join(names).encode()).hexdigest()[:10]
    return f"{LEASE_NAME}-{suffix}"


class _Observed(NamedTuple):
    """Version of a Lease, and the time of the monotonic clock since when it has been seen."""

    version: str
    since: float


def _ignore(_: Mapping[str, str]) -> None:
    """Ignore the annotations of the Lease."""


def _version_of(lease: dict[str, Any]) -> str:
    """Return the version of the operator that wrote a Lease; empty if it is unknown."""
    return str((lease["metadata"].get("annotations") or {}).get(LEASE_VERSION_ANNOTATION, ""))


class LeaderElector:
    """One candidate for one Lease: call `acquire`, then `renew_forever`, and `release` at the end."""

    def __init__(
        self,
        client: RestClient,
        *,
        namespace: str,
        name: str,
        identity: str,
        version: str = __version__,
        config: LeaderElectionConfig | None = None,
        on_lease: Callable[[Mapping[str, str]], None] = _ignore,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`on_lease` gets the annotations of the Lease after each time that it was read or written."""
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._version = version
        self._config = config or LeaderElectionConfig()
        self._on_lease = on_lease
        self._clock = clock
        self._reported_holder: str | None = None
        self._held: dict[str, Any] | None = None
        """The Lease as last written by this candidate, None while it does not lead."""
        self._renewed_at = float("-inf")
        """Time when the request of the last successful renewal began, by the monotonic clock."""
        self._reported_failure = ""
        """The last warning about a Lease that cannot be acquired."""

    @property
    def name(self) -> str:
        """Name of the Lease."""
        return self._name

    @property
    def is_leader(self) -> bool:
        """Return True while no other replica may lead."""
        return self._held is not None and self._seconds_to_deadline() > 0

    def check_leadership(self) -> None:
        """Raise LeadershipLostError if another replica may lead. It needs no request, so each write can call it."""
        if not self.is_leader:
            raise LeadershipLostError(f"Lease {self._name} was not renewed within the deadline.")

    def _seconds_to_deadline(self) -> float:
        return self._renewed_at + self._config.renew_deadline - self._clock.monotonic()

    async def acquire(self) -> None:
        """Wait until this candidate leads. No failure ends the wait."""
        began = self._clock.monotonic()
        seen = _Observed("", began)
        while self._held is None:
            try:
                async with asyncio.timeout(self._config.renew_deadline):
                    seen = await self._try_to_acquire(seen)
            except (OperatorError, TimeoutError) as error:
                self._report_failure(error)
            if self._held is None:
                await asyncio.sleep(self._config.retry_period)
        waited = self._clock.monotonic() - began
        logger.info(
            "Became leader (lease %s)", self._lease, extra=self._fields("BecameLeader", duration_seconds=waited)
        )

    def _report_failure(self, error: OperatorError | TimeoutError) -> None:
        """Log why the Lease cannot be acquired: what a user must change as a warning, once.

        A webhook that fails may recover, or never.
        """
        text = f"Failed to acquire lease {self._lease}: {str(error) or 'timeout'}"
        fields = self._fields("LeaseUnavailable", error=error)
        is_transient = isinstance(error, TransientError) and not isinstance(error, AdmissionUnavailableError)
        if is_transient or isinstance(error, TimeoutError):
            logger.info("%s", text, extra=fields)
        elif text != self._reported_failure:
            self._reported_failure = text
            advice = self._advise(error)
            logger.warning("%s. No ModelService is reconciled until then: %s.", text.rstrip("."), advice, extra=fields)

    def _advise(self, error: OperatorError) -> str:
        if isinstance(error, ObjectNotFoundError):
            return f"create the namespace {self._namespace}, or correct --lease-namespace"
        if isinstance(error, NamespaceTerminatingError):
            return "wait until the namespace is deleted, and create it again"
        if isinstance(error, AdmissionUnavailableError):
            return "repair the admission webhook that the message names, or delete its configuration"
        return (
            f"check that the namespace {self._namespace} exists, and allow the operator to get, create and update"
            " leases there (manifests/base/operator-role.yaml)"
        )

    async def _try_to_acquire(self, seen: "_Observed") -> "_Observed":
        """Acquire the Lease if it is missing or available; return when this state of it was first seen."""
        live = await self._read()
        if live is None:
            await self._hold(self._create())
            return seen
        now = self._clock.monotonic()
        if live["metadata"]["resourceVersion"] != seen.version:
            seen = _Observed(live["metadata"]["resourceVersion"], now)
        if now - seen.since >= self._seconds_to_availability(live):
            await self._hold(self._write(live))
        else:
            self._report_holder(live)
        return seen

    def _report_holder(self, live: dict[str, Any]) -> None:
        """Log the replica that this candidate waits for, once for each holder."""
        holder = live["spec"].get("holderIdentity") or ""
        if holder != self._reported_holder:
            self._reported_holder = holder
            fields = self._fields("Standby", holder=holder, version=_version_of(live))
            logger.info("Standing by for lease %s, held by %s", self._lease, holder or "nobody", extra=fields)

    @property
    def _lease(self) -> str:
        return f"{self._namespace}/{self._name}"

    def _fields(self, reason: str, **others: object) -> dict[str, object]:
        """Return the fields of a log line about the Lease."""
        return {"reason": reason, "lease": self._lease, **others}

    def _seconds_to_availability(self, live: dict[str, Any]) -> float:
        """Return the seconds for which a Lease must not change before this candidate may acquire it."""
        is_free = live["spec"].get("holderIdentity") in {None, "", self._identity}
        is_rollback = parse_version(_version_of(live)) > parse_version(self._version)
        rollback = self._config.rollback_delay if is_rollback else 0.0
        return rollback if is_free else self._config.lease_duration + rollback

    async def renew_forever(self) -> None:
        """Renew until cancelled. Raises LeadershipLostError if another replica leads, or after the deadline.

        A request that hangs does not extend the deadline.
        """
        while True:
            await asyncio.sleep(self._config.retry_period)
            try:
                async with asyncio.timeout(self._seconds_to_deadline()):
                    await self._hold(self._renew())
            except LeadershipLostError:
                raise
            except (OperatorError, TimeoutError) as error:
                fields = self._fields("LeaseUnavailable", error=error)
                logger.warning("Failed to renew lease %s: %s", self._lease, str(error) or "timeout", extra=fields)
                self.check_leadership()

    async def _hold(self, write: Coroutine[Any, Any, dict[str, Any]]) -> None:
        """Send a write of the Lease that makes this candidate the leader; remember when it began."""
        began = self._clock.monotonic()
        self._held = await write
        record_write(LEASE.kind, WriteReason.LEASE)
        self._renewed_at = began
        self._observe(self._held)

    def _observe(self, lease: dict[str, Any]) -> None:
        self._on_lease(lease["metadata"].get("annotations") or {})

    async def release(self) -> None:
        """Release the Lease, so that the next leader need not wait for it to expire."""
        if self._held is None:
            return
        live, self._held = self._held, None
        try:
            await self._write(live, holder="")
        except OperatorError as error:
            fields = self._fields("LeaseUnavailable", error=error)
            logger.info("Failed to release lease %s: %s", self._lease, error, extra=fields)
        else:
            logger.info("Released lease %s", self._lease, extra=self._fields("LeaseReleased"))

    async def _renew(self) -> dict[str, Any]:
        live = self._held
        try:
            if live is None:
                raise LeadershipLostError(f"Lease {self._name} is not held.")
            return await self._write(live)
        except (ObjectNotFoundError, ConflictError) as error:
            live = await self._read()
            if live is None:
                return await self._create()
            if live["spec"].get("holderIdentity") != self._identity:
                raise LeadershipLostError(f"Another replica has acquired lease {self._name}.") from error
            return await self._write(live)

    async def _read(self) -> dict[str, Any] | None:
        path = LEASE.path(namespace=self._namespace, name=self._name)
        try:
            lease = await self._client.request("GET", path, bypass_limit=True)
        except ObjectNotFoundError:
            return None
        self._observe(lease)
        return lease

    async def _create(self) -> dict[str, Any]:
        """Create the Lease with its owner. A Lease that exists keeps its own: a change may need the verb delete."""
        metadata: dict[str, Any] = {"name": self._name, "namespace": self._namespace}
        if owners := await find_lease_owners(self._client, self._namespace):
            metadata["ownerReferences"] = owners
        body = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": self._lease_metadata(metadata),
            "spec": self._lease_spec({}, self._identity),
        }
        return await self._client.request("POST", LEASE.path(namespace=self._namespace), body=body, bypass_limit=True)

    async def _write(self, live: dict[str, Any], *, holder: str | None = None) -> dict[str, Any]:
        """Write the Lease as it was read, with its version: of two candidates, the server accepts the first."""
        spec = self._lease_spec(live["spec"], self._identity if holder is None else holder)
        body = live | {"metadata": self._lease_metadata(live["metadata"]), "spec": spec}
        path = LEASE.path(namespace=self._namespace, name=self._name)
        return await self._client.request("PUT", path, body=body, bypass_limit=True)

    def _lease_metadata(self, previous: dict[str, Any]) -> dict[str, Any]:
        annotations = previous.get("annotations") or {}
        return previous | {"annotations": annotations | {LEASE_VERSION_ANNOTATION: self._version}}

    def _lease_spec(self, previous: dict[str, Any], holder: str) -> dict[str, Any]:
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        changed = previous.get("holderIdentity") != holder
        return previous | {
            "holderIdentity": holder,
            "leaseDurationSeconds": int(self._config.lease_duration),
            "renewTime": now,
            "acquireTime": now if changed else previous.get("acquireTime", now),
            "leaseTransitions": previous.get("leaseTransitions", 0) + int(changed),
        }
