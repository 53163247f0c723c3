"""Names the field of the ModelService that caused the rejection of its Service."""

import re

from modelservice_operator.apimachinery.kinds import SERVICE
from modelservice_operator.errors import OperatorError, StatusCause

_NODE_PORT = re.compile(r"spec\.ports\[(\d+)\]\.nodePort")
_OUT_OF_RANGE = "not in the valid range"
"""Of the API server (pkg/registry/core/service/portallocator, ErrNotInRange), which names the range."""
_SAME_NAME = re.compile(
    r"spec\.(ipFamilyPolicy|ipFamilies|loadBalancerClass|loadBalancerSourceRanges|trafficDistribution"
    r"|externalTrafficPolicy|internalTrafficPolicy)\b"
)


def rejection_advice(error: OperatorError) -> str:
    """Return a sentence that names the field to change; empty if none is known."""
    status = error.status
    if status is None or status.kind != SERVICE.kind:
        return ""
    return next((advice for cause in status.causes if (advice := _advice(cause))), "")


def _advice(cause: StatusCause) -> str:
    if (port := _NODE_PORT.match(cause.field)) is not None:
        number = int(port.group(1))  # the first port is the main one
        field = f"ports[{number - 1}].nodePort" if number else "service.nodePort"
        choice = "a port in that range" if _OUT_OF_RANGE in cause.message else "a free port"
        return f"Set {field} to {choice}, or remove it to have one assigned."
    field_match = _SAME_NAME.match(cause.field)
    return f"Change service.{field_match.group(1)}." if field_match is not None else ""
