"""kopf's hooks: startup, login and cleanup. No event of an object passes through kopf (docs/adr/0001)."""

import asyncio
import dataclasses
import datetime as dt
import logging
from collections.abc import Iterator
from itertools import count

import kopf

from modelservice_operator.apimachinery.wait import Backoff
from modelservice_operator.client.client_config import LoadCredentials
from modelservice_operator.errors import LeadershipLostError
from modelservice_operator.manager.health import HealthReport
from modelservice_operator.manager.login import KopfConnection
from modelservice_operator.manager.manager import Manager
from modelservice_operator.manager.metrics_access import NOT_RUNNING, Decision
from modelservice_operator.settings import Settings

logger = logging.getLogger(__name__)

_BACKOFF = Backoff(base=0.2, maximum=30.0)
_LOGIN_LIFETIME = dt.timedelta(minutes=10)
_LOGIN_INTERVAL = 5.0
"""Seconds before kopf gets credentials again: it repeats a request without a pause as long as it gets 401."""
_NOT_HEALTHY = HealthReport(["The manager is not running."])


class UnlimitedBackoff:
    """Delays between retries of kopf's own few requests, without an end: the operator survives any outage."""

    def __iter__(self) -> Iterator[float]:
        return (_BACKOFF.delay(failures) for failures in count(1))


class OperatorHandlers:
    """The hooks of one operator process: pass `registry` and `stop` to `kopf.operator`."""

    def __init__(self, settings: Settings, load_credentials: LoadCredentials) -> None:
        self.registry = kopf.OperatorRegistry()
        self.stop = asyncio.Event()
        self.failure: BaseException | None = None
        """The exception that stopped the manager, None while it runs or after a signal."""
        self._settings = settings
        self._load_credentials = load_credentials
        self._has_logged_in = False
        self._manager: Manager | None = None
        self._task: asyncio.Task[None] | None = None
        kopf.on.startup(registry=self.registry)(self._start)
        kopf.on.login(registry=self.registry)(self._login)
        kopf.on.cleanup(registry=self.registry)(self._stop)

    async def _start(self, settings: kopf.OperatorSettings, **_: object) -> None:
        _disable_unused_features(settings)
        self._manager = Manager(self._load_credentials, self._settings)
        self._task = asyncio.create_task(self._manager.run(), name="manager")
        self._task.add_done_callback(self._on_manager_exit)

    async def _login(self, **_: object) -> kopf.ConnectionInfo:
        """Return the credentials in use, which the operator's own client renews. Called again after a 401."""
        if self._manager is None:
            raise kopf.PermanentError("manager is not running")
        if self._has_logged_in:
            await asyncio.sleep(_LOGIN_INTERVAL)
        self._has_logged_in = True
        # The expiration makes kopf call this again, so that a rotated token is used.
        expiration = dt.datetime.now(dt.UTC) + _LOGIN_LIFETIME
        return dataclasses.replace(KopfConnection.of(self._manager.credentials), expiration=expiration)

    def check_liveness(self) -> HealthReport:
        """Return what /healthz reports."""
        return _NOT_HEALTHY if self._running is None else self._running.health.check_liveness()

    def check_readiness(self) -> HealthReport:
        """Return what /readyz reports."""
        return _NOT_HEALTHY if self._running is None else self._running.health.check_readiness()

    async def decide_metrics_access(self, authorization: str) -> Decision:
        """Return whether a request with this header Authorization may read /metrics."""
        return NOT_RUNNING if self._running is None else await self._running.metrics_access.decide(authorization)

    @property
    def _running(self) -> Manager | None:
        return None if self._task is None or self._task.done() else self._manager

    async def _stop(self, **_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        # kopf waits 5 s for the task that waits for this flag.
        self.stop.set()

    def _on_manager_exit(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            self.failure = task.exception()
            if (lost := _lost_leadership(self.failure)) is not None:
                logger.warning("Lost leadership; exiting: %s", lost, extra={"reason": "LeadershipLost", "error": lost})
            else:
                logger.critical("Manager stopped unexpectedly; exiting", exc_info=self.failure)
            self.stop.set()


def _lost_leadership(failure: BaseException | None) -> LeadershipLostError | None:
    """Return the loss of leadership if a task group ended because of nothing else; None for any other failure."""
    while isinstance(failure, BaseExceptionGroup) and len(failure.exceptions) == 1:
        failure = failure.exceptions[0]
    return failure if isinstance(failure, LeadershipLostError) else None


def _disable_unused_features(settings: kopf.OperatorSettings) -> None:
    """Configure kopf to change nothing in the cluster: no Events, no scan of CRDs and namespaces, no peering."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = UnlimitedBackoff()
    settings.networking.trust_env = False
