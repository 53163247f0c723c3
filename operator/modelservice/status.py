"""The status of a ModelService: its fields, and what they mean in one sentence."""

from collections.abc import Mapping
from typing import Any, Self

from modelservice import types
from modelservice.html import table
from modelservice_cli.view.conditions import condition, is_observed, is_ready, problems


class Status(types.ModelServiceStatus):
    """Observed state at the time of the read."""

    _body: Mapping[str, Any]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Return the status of an object of the API."""
        status = cls.from_dict(body.get("status") or {})
        status._body = body  # noqa: SLF001
        return status

    @property
    def is_current(self) -> bool:
        """True if the operator has seen the newest change of the spec."""
        return is_observed(self._body)

    @property
    def is_ready(self) -> bool:
        """True if the newest spec serves."""
        return is_ready(self._body)

    @property
    def reason(self) -> str:
        """Reason of the most important problem; without one, that of the condition Ready."""
        return self._cause()[0]

    @property
    def message(self) -> str:
        """Message of the most important problem; without one, that of the condition Ready."""
        return self._cause()[1]

    def condition(self, kind: str) -> types.Condition | None:
        """Return a condition, such as Ready; None if there is none."""
        return next((one for one in self.conditions or () if one.type == kind), None)

    def _cause(self) -> tuple[str, str]:
        found = problems(self._body)
        if found:
            return found[0].reason, found[0].message
        ready = condition(self._body, "Ready")
        return str(ready.get("reason", "")), str(ready.get("message", ""))

    def __str__(self) -> str:
        return f"{'Ready' if self.is_ready else 'Not ready'}: {self.reason}: {self.message}"

    def __repr__(self) -> str:
        return f"<Status {self}>"

    def _repr_html_(self) -> str:
        rows = [(one.type, one.status, one.reason, one.message) for one in self.conditions or ()]
        return table(str(self), ("condition", "status", "reason", "message"), rows)
