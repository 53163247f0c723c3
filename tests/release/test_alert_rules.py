"""The metrics and the alerts pass promtool, of Debian's package prometheus."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from modelservice_operator.client.credentials import Credentials
from modelservice_operator.manager.manager import Manager
from modelservice_operator.metrics.exposition import expose
from modelservice_operator.settings import Settings
from tests.environment.cluster.system import unpacked

ROOT = Path(__file__).parents[2]
RULES = ROOT / "manifests" / "components" / "monitoring" / "rules.yaml"


@pytest.fixture(scope="module")
def promtool() -> Path:
    return unpacked("prometheus", "/usr/bin/promtool")


def test_promtool_accepts_the_metrics(promtool: Path) -> None:
    Manager(lambda: Credentials("http://127.0.0.1:9", None, None), Settings())
    found = subprocess.run([promtool, "check", "metrics"], input=expose("", "").body, capture_output=True, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, b"")


def test_promtool_accepts_the_alerts(promtool: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump(yaml.safe_load(RULES.read_text())["spec"]))
    found = subprocess.run([promtool, "check", "rules", rules], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_promtool_accepts_the_documented_queries(promtool: Path, tmp_path: Path) -> None:
    recipe = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8").partition("## Golden signals of a model")[2]
    queries = re.findall(r"^\| [\w, ]+ \| `(.+)` \|$", recipe, re.MULTILINE)
    assert len(queries) >= len(("latency", "traffic", "errors", "saturation"))
    rules = [{"record": "documented", "expr": query, "labels": {"n": str(n)}} for n, query in enumerate(queries)]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "documented", "rules": rules}]}))
    found = subprocess.run(
        [promtool, "check", "rules", tmp_path / "rules.yaml"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize(
    ("alert", "series", "values", "labels"),
    [
        ("ModelServiceOperatorDown", 'other{job="x"}', "1x60", {"job": "modelservice-operator"}),
        ("ModelServiceNoLeader", "leader_election_master_status{JOB, name='a'}", "0x60", {"name": "a"}),
        ("ModelServiceQueueStalled", "modelservice_workqueue_oldest_wait_seconds{JOB}", "90x60", {}),
        ("ModelServiceWatchStale", "modelservice_watch_age_seconds{JOB, kind='Pod'}", "1000x60", {"kind": "Pod"}),
        ("ModelServiceRequestsForbidden", "rest_client_requests_total{JOB, method='GET', code='403'}", "0+1x60",
         {"method": "GET"}),
        ("ModelServiceNotReady", "modelservice_models{JOB, ready='False', reason='CrashLoop'}", "2x60",
         {"reason": "CrashLoop"}),
        ("ModelServiceDriftFight", "modelservice_corrections_total{JOB, kind='Service', action='create'}", "0+1x60",
         {"kind": "Service", "action": "create"}),
        ("ModelServiceReconcileErrors", "controller_runtime_reconcile_total{JOB, result='error'}", "0+1x60", {}),
        ("ModelServiceAPIRequestsFailing", "rest_client_requests_total{JOB, method='GET', code='503'}", "0+1x60", {}),
        ("ModelServiceAPIRequestsSlow", "rest_client_request_duration_seconds_bucket{JOB, verb='PUT', le='+Inf'}",
         "0+1x60", {"verb": "PUT"}),
        ("ModelServiceEventLoopBlocked", "modelservice_event_loop_lag_seconds_bucket{JOB, le='+Inf'}", "0+1x60", {}),
    ],
)  # fmt: skip
def test_alert_fires_after_its_time(
    *, promtool: Path, tmp_path: Path, alert: str, series: str, values: str, labels: dict[str, str]
) -> None:
    spec = yaml.safe_load(RULES.read_text())["spec"]
    [rule] = [rule for rule in spec["groups"][0]["rules"] if rule["alert"] == alert]
    rule["annotations"] = {}
    spec["groups"][0]["rules"] = [rule]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(spec))
    named = series.replace("JOB", 'job="modelservice-operator"')
    inputs = [{"series": named, "values": values}]
    if "_bucket" in series:
        inputs.append({"series": named.replace("+Inf", "10"), "values": values})
        inputs.append({"series": named.replace("+Inf", "0.5"), "values": "0x60"})
    expected = [{"exp_labels": {"severity": rule["labels"]["severity"], **labels}, "exp_annotations": {}}]
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": inputs,
                "alert_rule_test": [
                    {"eval_time": "1m", "alertname": alert, "exp_alerts": []},
                    {"eval_time": "40m", "alertname": alert, "exp_alerts": expected},
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    found = subprocess.run(
        [promtool, "test", "rules", tmp_path / "test.yaml"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
