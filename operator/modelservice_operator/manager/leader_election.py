"""Leader election with a Lease (coordination.k8s.io/v1), as client-go's tools/leaderelection does it.

Other replicas are standbys with warm caches. Clocks of different machines are never compared: a leader counts as gone
when its Lease has not changed for the whole lease duration, by the monotonic clock of the standby. Two leaders would
still be safe, since every write is protected by UIDs and versions; the Lease keeps them from doing the work twice.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.apimachinery.kinds import LEASE
from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import ConflictError, LeadershipLostError, NotFoundError, OperatorError

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


class LeaderElector:
    """One candidate for one Lease: call `acquire`, then `renew_forever`, and `release` at the end."""

    def __init__(
        self,
        client: RestClient,
        *,
        namespace: str,
        name: str,
        identity: str,
        config: LeaderElectionConfig | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._config = config or LeaderElectionConfig()
        self._clock = clock
        self._held: dict[str, Any] | None = None
        """The Lease as last written by this candidate, None while it does not lead."""

    async def acquire(self) -> None:
        """Wait until this candidate leads. No failure ends the wait."""
        version, since = "", self._clock.monotonic()
        while self._held is None:
            try:
                live = await self._read()
                if live is None:
                    self._held = await self._create()
                    break
                if live["metadata"]["resourceVersion"] != version:
                    version, since = live["metadata"]["resourceVersion"], self._clock.monotonic()
                has_expired = self._clock.monotonic() - since > self._config.lease_duration
                if self._is_available(live) or has_expired:
                    self._held = await self._write(live)
                    break
            except OperatorError as error:
                logger.info("Failed to acquire lease %s/%s: %s", self._namespace, self._name, error)
            await asyncio.sleep(self._config.retry_period)
        logger.info("Became leader (lease %s/%s)", self._namespace, self._name)

    async def renew_forever(self) -> None:
        """Renew until cancelled. Raises LeadershipLostError if another replica leads, or after the deadline."""
        renewed = self._clock.monotonic()
        while True:
            await asyncio.sleep(self._config.retry_period)
            try:
                self._held = await self._renew()
                renewed = self._clock.monotonic()
            except LeadershipLostError:
                raise
            except OperatorError as error:
                logger.warning("Failed to renew lease %s/%s: %s", self._namespace, self._name, error)
                if self._clock.monotonic() - renewed > self._config.renew_deadline:
                    raise LeadershipLostError(f"Lease {self._name} was not renewed within the deadline.") from error

    async def release(self) -> None:
        """Release the Lease, so that the next leader need not wait for it to expire."""
        if self._held is None:
            return
        live, self._held = self._held, None
        try:
            await self._write(live, holder="")
        except OperatorError as error:
            logger.info("Failed to release lease %s/%s: %s", self._namespace, self._name, error)

    async def _renew(self) -> dict[str, Any]:
        live = self._held
        try:
            if live is None:
                raise LeadershipLostError(f"Lease {self._name} is not held.")
            return await self._write(live)
        except (NotFoundError, ConflictError) as error:
            live = await self._read()
            if live is None:
                return await self._create()
            if live["spec"].get("holderIdentity") != self._identity:
                raise LeadershipLostError(f"Another replica has acquired lease {self._name}.") from error
            return await self._write(live)

    def _is_available(self, live: dict[str, Any]) -> bool:
        return live["spec"].get("holderIdentity") in {None, "", self._identity}

    async def _read(self) -> dict[str, Any] | None:
        try:
            return await self._client.request(
                "GET", LEASE.path(namespace=self._namespace, name=self._name), bypass_limit=True
            )
        except NotFoundError:
            return None

    async def _create(self) -> dict[str, Any]:
        body = {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": self._lease_spec({}, self._identity),
        }
        return await self._client.request("POST", LEASE.path(namespace=self._namespace), body=body, bypass_limit=True)

    async def _write(self, live: dict[str, Any], *, holder: str | None = None) -> dict[str, Any]:
        """Write the Lease as it was read, with its version: of two candidates, the server accepts the first."""
        body = live | {"spec": self._lease_spec(live["spec"], self._identity if holder is None else holder)}
        path = LEASE.path(namespace=self._namespace, name=self._name)
        return await self._client.request("PUT", path, body=body, bypass_limit=True)

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
