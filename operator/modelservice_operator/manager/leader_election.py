"""Which of several operators writes: a Lease (coordination.k8s.io/v1), taken, renewed and given back.

The others stand by with warm caches. Clocks of different machines are never compared: a holder counts as gone when its
Lease has not changed for the whole duration, by our own monotonic clock. Two active operators would still be safe,
since every write is guarded by UIDs and versions; the Lease keeps them from doing work twice.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from modelservice_operator.apimachinery.kinds import LEASE
from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import ConflictError, LeadershipLostError, NotFoundError, OperatorError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderElectionConfig:
    """Seconds; the defaults are those of Kubernetes' own controllers."""

    lease_duration: float = 15.0
    """A Lease that has not changed for so long is free."""
    renew_deadline: float = 10.0
    """A holder that could not renew for so long gives up, well before somebody else may start."""
    retry_period: float = 2.0
    """Between two looks or two renewals."""


class LeaderElector:
    """Our part in one Lease. `acquire`, then `hold`; `release` at the end."""

    def __init__(
        self,
        connection: RestClient,
        *,
        namespace: str,
        name: str,
        identity: str,
        config: LeaderElectionConfig | None = None,
    ) -> None:
        self._connection = connection
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._config = config or LeaderElectionConfig()
        self._held: dict[str, Any] | None = None
        """The Lease as we last wrote it, None while it is not ours."""

    async def acquire(self) -> None:
        """Wait until the Lease is ours. Nothing that goes wrong ends the wait."""
        version, since = "", time.monotonic()
        while self._held is None:
            try:
                live = await self._read()
                if live is None:
                    self._held = await self._create()
                    break
                if live["metadata"]["resourceVersion"] != version:
                    version, since = live["metadata"]["resourceVersion"], time.monotonic()
                if self._is_available(live) or time.monotonic() - since > self._config.lease_duration:
                    self._held = await self._write(live)
                    break
            except OperatorError as error:
                logger.info("The Lease %s could not be taken: %s", self._name, error)
            await asyncio.sleep(self._config.retry_period)
        logger.info("This operator leads: the Lease %s/%s is ours.", self._namespace, self._name)

    async def renew_forever(self) -> None:
        """Renew for ever. LeaseLost: somebody else has it, or it could not be renewed in time."""
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(self._config.retry_period)
            try:
                self._held = await self._renew()
                renewed = time.monotonic()
            except LeadershipLostError:
                raise
            except OperatorError as error:
                logger.warning("The Lease %s could not be renewed: %s", self._name, error)
                if time.monotonic() - renewed > self._config.renew_deadline:
                    raise LeadershipLostError(f"The Lease {self._name} could not be renewed in time.") from error

    async def release(self) -> None:
        """Give the Lease back, so that the next one need not wait for it to run out."""
        if self._held is None:
            return
        live, self._held = self._held, None
        try:
            await self._write(live, holder="")
        except OperatorError as error:
            logger.info("The Lease %s could not be given back: %s", self._name, error)

    async def _renew(self) -> dict[str, Any]:
        live = self._held
        try:
            if live is None:
                raise LeadershipLostError(f"The Lease {self._name} is not ours.")
            return await self._write(live)
        except (NotFoundError, ConflictError) as error:
            live = await self._read()
            if live is None:
                return await self._create()
            if live["spec"].get("holderIdentity") != self._identity:
                raise LeadershipLostError(f"Somebody else has taken the Lease {self._name}.") from error
            return await self._write(live)

    def _is_available(self, live: dict[str, Any]) -> bool:
        return live["spec"].get("holderIdentity") in {None, "", self._identity}

    async def _read(self) -> dict[str, Any] | None:
        try:
            return await self._connection.request(
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
        return await self._connection.request(
            "POST", LEASE.path(namespace=self._namespace), body=body, bypass_limit=True
        )

    async def _write(self, live: dict[str, Any], *, holder: str | None = None) -> dict[str, Any]:
        """Write the Lease as it was read, with its version: whoever is faster wins."""
        body = live | {"spec": self._lease_spec(live["spec"], self._identity if holder is None else holder)}
        path = LEASE.path(namespace=self._namespace, name=self._name)
        return await self._connection.request("PUT", path, body=body, bypass_limit=True)

    def _lease_spec(self, before: dict[str, Any], holder: str) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        changed = before.get("holderIdentity") != holder
        return before | {
            "holderIdentity": holder,
            "leaseDurationSeconds": int(self._config.lease_duration),
            "renewTime": now,
            "acquireTime": now if changed else before.get("acquireTime", now),
            "leaseTransitions": before.get("leaseTransitions", 0) + int(changed),
        }
