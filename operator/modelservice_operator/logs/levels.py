"""The level of the log while the operator runs: an annotation on the Lease overrides the flag."""

import logging
from collections.abc import Mapping

from modelservice_operator.settings import LOG_LEVELS

logger = logging.getLogger(__name__)

LEVEL_ANNOTATION = "modelservice.dev/log-level"
"""On the Lease: level of all replicas that compete for it, until it is removed."""
PACKAGE = "modelservice_operator"


class LevelSwitch:
    """Sets the level that the annotation names. Replicas read the Lease every two seconds anyway."""

    def __init__(self, package: str = PACKAGE) -> None:
        self._logger = logging.getLogger(package)
        self._default = self._logger.level
        self._wanted: str | None = None

    def observe(self, annotations: Mapping[str, str]) -> None:
        """Follow the annotations of a Lease that was read or written."""
        wanted = annotations.get(LEVEL_ANNOTATION)
        if wanted != self._wanted:
            self._wanted = wanted
            self._apply(wanted)

    def _apply(self, wanted: str | None) -> None:
        is_known = wanted is None or wanted in LOG_LEVELS
        level = self._default if wanted is None or not is_known else logging.getLevelNamesMapping()[wanted.upper()]
        # Reported at the more detailed of both levels, so that the end of debugging is visible too.
        self._logger.setLevel(min(level, logging.INFO))
        if is_known:
            logger.info("Log level is %s", logging.getLevelName(level).lower(), extra={"reason": "LogLevelChanged"})
        else:
            names = ", ".join(LOG_LEVELS)
            logger.warning("Annotation %s of the Lease is %r, which is none of %s", LEVEL_ANNOTATION, wanted, names)
        self._logger.setLevel(level)
