"""Reports a version of Kubernetes that is not supported, once at the start."""

import asyncio
import logging

from modelservice_operator.apimachinery.versions import explain_unsupported, server_version
from modelservice_operator.apimachinery.wait import Backoff
from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import OperatorError, TransientError

logger = logging.getLogger(__name__)

_BACKOFF = Backoff(base=1.0, maximum=60.0, jitter=0.2)


async def report_kubernetes_version(client: RestClient) -> None:
    """Read the version of the API server, and log a warning if it is not supported. Never raises OperatorError."""
    failures = 0
    while True:
        try:
            version = server_version(await client.request("GET", "/version"))
        except TransientError:
            failures += 1
            await asyncio.sleep(_BACKOFF.delay(failures))
        except OperatorError as error:
            logger.info("Cannot read the version of Kubernetes: %s", error)
            return
        else:
            if problem := explain_unsupported(version):
                logger.warning("%s", problem)
            return
