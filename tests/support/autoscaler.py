"""Metrics in the status of a HorizontalPodAutoscaler."""

from typing import Any


def cpu_utilization(autoscaler: dict[str, Any]) -> int | None:
    """Return the average CPU use in percent of the request, None while there is no measurement."""
    metrics = autoscaler.get("status", {}).get("currentMetrics") or ()
    # Before the first measurement the controller lists metrics with nothing in them.
    current = [metric["containerResource"]["current"] for metric in metrics if "containerResource" in metric]
    return next((int(value["averageUtilization"]) for value in current if "averageUtilization" in value), None)
