"""Reports fields of a status that the API server drops: the CRD is older than the operator, or was edited."""

import logging
from collections.abc import Iterator

from modelservice_operator.apimachinery.kinds import MODEL_SERVICE
from modelservice_operator.apimachinery.objects import Json

logger = logging.getLogger(__name__)

_MAX_REPORTED = 100


class DroppedFieldsLog:
    """Logs each dropped field once. The status of the next ModelService lacks the same fields."""

    def __init__(self) -> None:
        self._reported: set[str] = set()

    def report(self, sent: Json, stored: Json) -> None:
        """Log the fields that a stored status lacks and that were not logged before."""
        new = [path for path in dict.fromkeys(dropped_fields(sent, stored, "status")) if path not in self._reported]
        if not new or len(self._reported) >= _MAX_REPORTED:
            return
        self._reported.update(new)
        logger.error(
            "The API server drops %s of ModelServices: the CRD %s.%s is older than the operator. Apply the CRD of this"
            " version (crds/).",
            ", ".join(new),
            MODEL_SERVICE.plural,
            MODEL_SERVICE.group,
        )


def dropped_fields(sent: Json, stored: Json, path: str) -> Iterator[str]:
    """Yield the paths of fields that were sent and not stored."""
    if isinstance(sent, dict):
        found = stored if isinstance(stored, dict) else {}
        for name, value in sent.items():
            if name not in found:
                yield f"{path}.{name}"
            else:
                yield from dropped_fields(value, found[name], f"{path}.{name}")
    elif isinstance(sent, list) and isinstance(stored, list) and len(sent) == len(stored):
        for one, other in zip(sent, stored, strict=True):
            yield from dropped_fields(one, other, f"{path}[]")
