"""Measures for how long a ModelService has waited for an object, on the monotonic clock of this process.

A timestamp of the API server, of a controller or of a node is from the clock of another machine, which may differ.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from modelservice_operator.status.autoscaling import STARTUP_GRACE_SECONDS
from modelservice_operator.status.conditions import find_condition
from modelservice_operator.status.reasons import ConditionType
from modelservice_operator.status.snapshot import Snapshot
from modelservice_operator.status.tracking import awaited_uids


@dataclass(slots=True)
class Ages:
    """The awaited objects of one ModelService. After a restart of the operator all of them are new again."""

    autoscaler_uid: str = ""
    """UID of the last autoscaler."""
    _first_seen: dict[str, float] = field(default_factory=dict)
    """Times by UID."""

    def measure(self, snapshot: Snapshot, previous: Mapping[str, Any], now: float) -> Snapshot:
        """Return the snapshot with the ages in seconds. `previous` is the status before, `now` a monotonic time."""
        uids = set(awaited_uids(snapshot))
        if uid := snapshot.autoscaler_uid:
            uids.add(uid)
            self._see_autoscaler(uid, previous, now)
        self._update(uids, now)
        return replace(snapshot, ages={uid: now - since for uid, since in self._first_seen.items()})

    def _see_autoscaler(self, uid: str, previous: Mapping[str, Any], now: float) -> None:
        """Record an autoscaler. One that was reported on before this process started is not new."""
        if not self.autoscaler_uid and _is_reported_on(previous):
            self._first_seen[uid] = now - STARTUP_GRACE_SECONDS
        self.autoscaler_uid = uid

    def _update(self, uids: Collection[str], now: float) -> None:
        self._first_seen = {uid: self._first_seen.get(uid, now) for uid in uids}


def _is_reported_on(status: Mapping[str, Any]) -> bool:
    """Return True if AutoscalerReady is about the autoscaler of the ModelService, and its grace was over."""
    condition = find_condition(status.get("conditions"), ConditionType.AUTOSCALER_READY) or {}
    return "autoscaling" in status and condition.get("status") in {"True", "False"}
