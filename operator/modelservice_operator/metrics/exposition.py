"""The response to GET /metrics: text format or OpenMetrics, compressed if the client accepts that."""

import gzip
from collections.abc import Mapping
from typing import NamedTuple

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, generate_latest
from prometheus_client.exposition import gzip_accepted
from prometheus_client.openmetrics import exposition as openmetrics

from modelservice_operator.metrics.instruments import REGISTRY

_OPENMETRICS = "application/openmetrics-text"
_COMPRESSION_LEVEL = 1
"""Ten times smaller at a tenth of the time of level 9."""


class Exposition(NamedTuple):
    """Body and headers of a response."""

    body: bytes
    headers: Mapping[str, str]


def expose(accept: str, accept_encoding: str, *, registry: CollectorRegistry = REGISTRY) -> Exposition:
    """Return all metrics for the values of the headers Accept and Accept-Encoding.

    The versions that a client names are not used: one version of each format is offered.
    """
    if any(entry.partition(";")[0].strip() == _OPENMETRICS for entry in accept.split(",")):
        body: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]
        content_type = openmetrics.CONTENT_TYPE_LATEST
    else:
        body, content_type = generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4
    headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
    if gzip_accepted(accept_encoding):
        return Exposition(gzip.compress(body, _COMPRESSION_LEVEL), headers | {"Content-Encoding": "gzip"})
    return Exposition(body, headers)
