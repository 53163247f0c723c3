"""The command `run`: starts kopf with the operator's handlers. The only module of cli that imports kopf."""

import argparse
import asyncio
import logging
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, cast

import kopf
import uvloop

from modelservice_operator import __version__, tracing
from modelservice_operator.client.client_config import LoadCredentials, find_credentials, load_now
from modelservice_operator.errors import (
    CertificateError,
    CredentialsError,
    PortUnavailableError,
    TracingUnavailableError,
)
from modelservice_operator.logs.setup import configure
from modelservice_operator.manager.handlers import OperatorHandlers
from modelservice_operator.manager.health import serve_health
from modelservice_operator.manager.metrics_server import serve_metrics
from modelservice_operator.manager.serving_certificate import ServingCertificate
from modelservice_operator.settings import FIELD_MANAGER, LoaderSettings, LogFormat, Settings

logger = logging.getLogger(__name__)


def run(options: argparse.Namespace) -> int:
    """Run the operator until it is stopped or fails; return the exit code."""
    configure(None if options.log_format is None else LogFormat(options.log_format), options.log_level)
    try:
        load_credentials = load_now(find_credentials(options.kubeconfig))
    except (CredentialsError, OSError) as error:
        logger.critical("Cannot load the address and credentials of the cluster: %s", error, extra={"error": error})
        return 1
    try:
        exporter = tracing.start(__version__) if options.tracing else None
    except TracingUnavailableError as error:
        logger.critical("Cannot start tracing: %s", error, extra={"error": error})
        return 1
    logger.info("Starting %s %s", FIELD_MANAGER, __version__, extra={"version": __version__})
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run_kopf(settings_from(options), load_credentials))
    except (CertificateError, PortUnavailableError) as error:
        logger.critical("%s", error, extra={"error": error})
        return 1
    finally:
        if exporter is not None:
            exporter.close()


def settings_from(options: argparse.Namespace) -> Settings:
    """Return the settings for parsed options; repeated values count once."""
    return Settings(
        namespaces=tuple(dict.fromkeys(options.namespace)),
        lease_namespace=options.lease_namespace,
        lease_name=options.lease_name,
        workers=options.workers,
        resync_interval=options.resync_seconds,
        discovery_interval=options.discovery_seconds,
        probe_port=options.probe_port,
        secure_metrics_port=options.secure_metrics_port,
        metrics_cert_path=options.metrics_cert_path,
        loader=LoaderSettings(
            image=options.loader_image,
            timeout_seconds=options.loader_seconds,
            refresh_interval_seconds=options.refresh_seconds,
            allowed_cidrs=tuple(dict.fromkeys(options.allow_cidr)),
            proxy=options.loader_proxy,
            no_proxy=tuple(dict.fromkeys(one for found in options.loader_no_proxy for one in found)),
            ca_bundle=options.loader_ca_bundle,
        ),
    )


async def _run_kopf(settings: Settings, load_credentials: LoadCredentials) -> int:
    handlers = OperatorHandlers(settings, load_credentials)
    async with AsyncExitStack() as endpoints:
        for endpoint in _endpoints(settings, handlers):
            await endpoints.enter_async_context(endpoint)
        await kopf.operator(
            registry=handlers.registry,
            stop_flag=handlers.stop,
            # Used for peering, which is disabled. Without it, kopf looks up the user's name, which an image may lack.
            identity=cast("Any", FIELD_MANAGER),
            standalone=True,
            clusterwide=not settings.namespaces,
            namespaces=settings.namespaces,
        )
    return 1 if handlers.failure else 0


def _endpoints(settings: Settings, handlers: OperatorHandlers) -> Iterator[AbstractAsyncContextManager[None]]:
    """Yield what serves the ports of the process."""
    port = settings.secure_metrics_port
    yield serve_health(settings.probe_port, handlers.check_liveness, handlers.check_readiness, secure_metrics_port=port)
    if port:
        certificate = ServingCertificate(settings.metrics_cert_path)
        yield serve_metrics(port, certificate, handlers.decide_metrics_access)
