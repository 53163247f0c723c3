"""A real Prometheus, of Debian's package, that scrapes operators and evaluates the alerts of manifests/."""

import http.client
import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from tests.environment.cluster.system import unpacked
from tests.environment.cluster.wait import wait_until
from tests.support.health import free_port
from tests.support.installation import ROOT

MONITORING = ROOT / "manifests" / "components" / "monitoring"
JOB = "modelservice-operator"
SCRAPE_SECONDS = 2
RATE_INTERVAL = "1m"
"""In place of $__rate_interval, which Grafana derives from the interval of the scrapes."""
ALERT_SECONDS = 180.0
"""Deadline of the wait for an alert: no claim on time."""
_COMPARISON = re.compile(r" (?:>=|>|==) [\d.]+$")


def alerts() -> dict[str, str]:
    """Return the expression of each alert, by its name."""
    [group] = yaml.safe_load((MONITORING / "rules.yaml").read_text())["spec"]["groups"]
    return {rule["alert"]: rule["expr"] for rule in group["rules"]}


def alert_queries() -> dict[str, str]:
    """Return what each alert compares or expects: a query that has series while nothing is wrong, too."""
    return {name: re.sub(r"^absent\((.+)\)$", r"\1", _COMPARISON.sub("", expr)) for name, expr in alerts().items()}


def dashboard_queries() -> dict[str, str]:
    """Return each query of the dashboard, by the title of its panel and the legend."""
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    return {
        f"{panel['title']}: {target['legendFormat']}": target["expr"].replace("$__rate_interval", RATE_INTERVAL)
        for panel in panels
        for target in panel.get("targets", ())
    }


@dataclass(frozen=True)
class Prometheus:
    """The HTTP API of a Prometheus."""

    port: int

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression at this moment."""
        found: list[dict[str, Any]] = self._get(f"query?{urlencode({'query': expression})}")["result"]
        return found

    def query_range(self, expression: str, *, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """Return the series of an expression between two times, in seconds since the epoch."""
        parameters = urlencode({"query": expression, "start": start, "end": end, "step": step})
        found: list[dict[str, Any]] = self._get(f"query_range?{parameters}")["result"]
        return found

    def wait_for_alert(
        self,
        name: str,
        labels: Mapping[str, str] | None = None,
        *,
        act: Callable[[], None] | None = None,
        seconds: float = ALERT_SECONDS,
    ) -> None:
        """Wait until an alert fires with these labels; `act` causes the fault repeatedly."""

        def fires() -> bool:
            if act is not None:
                act()
            return any((labels or {}).items() <= found.items() for found in self.firing().get(name, ()))

        wait_until(fires, seconds=seconds, what=f"the alert {name}", pause=0.5)

    def firing(self) -> dict[str, list[Mapping[str, str]]]:
        """Return the labels of firing alerts, by the alert's name."""
        found: dict[str, list[Mapping[str, str]]] = {}
        for alert in self._get("alerts")["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert["labels"])
        return found

    def _get(self, path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", f"/api/v1/{path}")
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        assert answer["status"] == "success", answer
        return answer["data"]


@contextmanager
def running_prometheus(
    folder: Path, ports: Sequence[int], scrape: Mapping[str, Any] | None = None
) -> Iterator[Prometheus]:
    """Scrape operators on these ports of 127.0.0.1; alerts fire without their `for`.

    `scrape`: more fields of the scrape configuration, such as its scheme.
    """
    spec = yaml.safe_load((MONITORING / "rules.yaml").read_text())["spec"]
    for rule in spec["groups"][0]["rules"]:
        rule["for"] = "0s"
    (folder / "rules.yaml").write_text(yaml.safe_dump(spec))
    interval = f"{SCRAPE_SECONDS}s"
    targets = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
    configuration = {
        "global": {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": JOB, "static_configs": targets, **(scrape or {})}],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    port = free_port()
    command = [
        str(unpacked("prometheus", "/usr/bin/prometheus")),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_until(lambda: _is_ready(port) or process.poll() is not None, seconds=90, what="a ready Prometheus")
        assert process.poll() is None, (folder / "prometheus.log").read_text()
        prometheus = Prometheus(port)
        # It learns of its targets 5 s after its start. An increase begins at the first scrape.
        wait_until(lambda: len(prometheus.query("up == 1")) == len(ports), seconds=90, what="a scrape of each operator")
        yield prometheus
    finally:
        process.terminate()
        process.wait(timeout=60)


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
