"""kopf is the shell: start-up, login, probe and clean-up. No object's event passes through it (docs/adr/0001)."""

import asyncio
import dataclasses
import datetime as dt
import logging
import os
from collections.abc import Iterator

import kopf

from modelservice_operator.client.credentials import Credentials
from modelservice_operator.manager.manager import Manager
from modelservice_operator.settings import Settings

logger = logging.getLogger(__name__)

_BACKOFFS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
_MAX_BACKOFF = 30.0
_LOGIN_LIFETIME = dt.timedelta(minutes=10)


class UnlimitedBackoff:
    """Back-offs of kopf's own few requests, without an end: an API server that is down must not end the operator."""

    def __iter__(self) -> Iterator[float]:
        yield from _BACKOFFS
        while True:
            yield _MAX_BACKOFF


class OperatorHandlers:
    """The operator as kopf runs it: `registry` for `kopf.operator`, `stop` for its stop flag."""

    def __init__(self, settings: Settings) -> None:
        self.registry = kopf.OperatorRegistry()
        self.stop = asyncio.Event()
        self.failure: BaseException | None = None
        """What ended the operator, None while it runs or after a signal."""
        self._settings = settings
        self._manager: Manager | None = None
        self._task: asyncio.Task[None] | None = None
        kopf.on.startup(registry=self.registry)(self._start)
        kopf.on.login(registry=self.registry)(self._login)
        kopf.on.probe(registry=self.registry, id="reconciler")(self._probe)
        kopf.on.cleanup(registry=self.registry)(self._stop)

    async def _start(self, settings: kopf.OperatorSettings, **_: object) -> None:
        _disable_unused_features(settings)
        self._manager = Manager(lambda: load_credentials(settings), self._settings)
        self._task = asyncio.create_task(self._manager.run(), name="runtime")
        self._task.add_done_callback(self._on_manager_exit)

    async def _login(self, settings: kopf.OperatorSettings, **_: object) -> kopf.ConnectionInfo:
        # An expiration makes kopf ask again, so that a rotated token is read.
        expiration = dt.datetime.now(dt.UTC) + _LOGIN_LIFETIME
        return dataclasses.replace(connection_info(settings), expiration=expiration)

    async def _probe(self, **_: object) -> dict[str, float | int]:
        if self._manager is None or self._task is None or self._task.done():
            raise kopf.PermanentError("The reconciler does not run.")
        return self._manager.health()

    async def _stop(self, **_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        # kopf waits 5 s for the task that waits for this flag.
        self.stop.set()

    def _on_manager_exit(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled():
            self.failure = task.exception()
            logger.critical("The reconciler ended; so does the operator.", exc_info=self.failure)
            self.stop.set()


def _disable_unused_features(settings: kopf.OperatorSettings) -> None:
    """Leave kopf nothing to do in the cluster: no Events, no scanning of CRDs and namespaces, no peering."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    settings.networking.error_backoffs = UnlimitedBackoff()
    settings.networking.trust_env = False


def connection_info(settings: kopf.OperatorSettings) -> kopf.ConnectionInfo:
    """The service account inside a pod, else the kubeconfig. LoginError names both when there is neither."""
    info = kopf.login_with_service_account(settings=settings)
    if info is not None:
        # By address: cluster DNS may be down, or not there at all, and the operator should still heal what it can.
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        bracketed = f"[{host}]" if host and ":" in host else host
        return dataclasses.replace(info, server=f"https://{bracketed}:{port}") if host else info
    info = kopf.login_with_kubeconfig(settings=settings)
    if info is None:
        raise kopf.LoginError(
            "there is no service account (not in a pod), and neither KUBECONFIG nor ~/.kube/config names a"
            " kubeconfig file."
        )
    return info


def load_credentials(settings: kopf.OperatorSettings) -> Credentials:
    """The same login for our own connection."""
    info = connection_info(settings)
    tls = info.as_ssl_context() if info.server.startswith("https://") else None
    return Credentials(server=info.server.rstrip("/"), tls=tls, token=info.token)
