"""The rows of `list`: all ModelServices, each with the reason of its state."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from modelservice_cli.output import Style
from modelservice_cli.view.conditions import condition, is_observed, problems
from modelservice_cli.view.humanize import format_age, shorten

Service = Mapping[str, Any]
COLUMNS = ("name", "ready", "reason", "replicas", "age")
WIDE_COLUMNS = (*COLUMNS, "model", "loading", "url", "message")
_MESSAGE_CHARS = 160


def columns(*, wide: bool, all_namespaces: bool) -> tuple[str, ...]:
    """Return the names of the columns."""
    return (("namespace",) if all_namespaces else ()) + (WIDE_COLUMNS if wide else COLUMNS)


def row(service: Service, now: datetime, *, wide: bool, all_namespaces: bool) -> list[str]:
    """Return the cells of a ModelService."""
    metadata, status = service["metadata"], service.get("status") or {}
    cells = [metadata.get("namespace", "")] if all_namespaces else []
    cells += [
        metadata["name"],
        ready_text(service),
        reason_text(service),
        replicas_text(status),
        format_age(metadata.get("creationTimestamp"), now),
    ]
    if wide:
        cells += [model_text(service), loading_text(status), str(status.get("url", "")), message_text(service)]
    return cells


def sort_key(service: Service) -> tuple[str, str]:
    """Return namespace and name."""
    return str(service["metadata"].get("namespace", "")), str(service["metadata"]["name"])


def ready_text(service: Service) -> str:
    """Return the status of Ready: True, False or Unknown."""
    return str(condition(service, "Ready").get("status", "Unknown")) if is_observed(service) else "Unknown"


def style_of(service: Service) -> Style:
    """Return the style for the state of a ModelService."""
    found = problems(service)
    if not found:
        return Style.GOOD
    return Style.WARNING if found[0].is_waiting or ready_text(service) == "True" else Style.BAD


def reason_text(service: Service) -> str:
    """Return the reason of Ready and of other conditions with a problem: `RolloutComplete, Exposed=AddressPending`.

    A ModelService can serve while its autoscaler cannot scale.
    """
    found = problems(service)
    reasons = [one.reason for one in found if one.kind in {"", "Stalled", "Ready"}][:1]
    reasons = reasons or [str(condition(service, "Ready").get("reason", ""))]
    others = [f"{one.kind}={one.reason}" for one in found if one.kind not in {"", "Stalled", "Ready"}]
    return ", ".join(filter(None, [*reasons, *others]))


def replicas_text(status: Mapping[str, Any]) -> str:
    """Return ready and desired replicas: `1/2`."""
    desired = status.get("desiredReplicas")
    return f"{status.get('readyReplicas') or 0}/{'?' if desired is None else desired}"


def model_text(service: Service) -> str:
    """Return the URI of the model; that which it resolved to, if it is another one."""
    model = (service.get("status") or {}).get("model") or {}
    uri = ((service.get("spec") or {}).get("model") or {}).get("uri")
    return str(model.get("resolvedURI") or model.get("uri") or uri or "")


def loading_text(status: Mapping[str, Any]) -> str:
    """Return the progress of the loader: `30%`."""
    progress = (status.get("model") or {}).get("progress") or {}
    return f"{progress['percent']}%" if "percent" in progress else ""


def message_text(service: Service) -> str:
    """Return the message of the most important problem, shortened."""
    found = problems(service)
    return shorten(found[0].message, _MESSAGE_CHARS) if found else ""
