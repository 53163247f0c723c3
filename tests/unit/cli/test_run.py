import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelservice_operator.cli.main import build_parser, main
from modelservice_operator.cli.run import settings_from
from modelservice_operator.settings import LoaderSettings, Settings


@pytest.fixture(autouse=True)
def log_of_this_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what `run` configures for the whole process."""
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    root, package = logging.getLogger(), logging.getLogger("modelservice_operator")
    handlers, levels = [*root.handlers], (root.level, package.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    package.setLevel(levels[1])
    logging.captureWarnings(capture=False)


def test_run_reports_missing_credentials(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["run"]) == 1
    assert "there is no service account (not in a pod)" in capsys.readouterr().err


def test_run_reports_credentials_that_are_not_supported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "config"
    path.write_text(
        "clusters: [{name: c, cluster: {server: 'https://h'}}]\n"
        "users: [{name: u, user: {auth-provider: {name: gcp}}}]\n"
        "contexts: [{name: x, context: {cluster: c, user: u}}]\ncurrent-context: x\n"
    )
    assert main(["run", "--kubeconfig", str(path)]) == 1
    assert "The auth-provider of the kubeconfig is not supported" in capsys.readouterr().err


def test_settings_default_to_those_of_the_dataclass() -> None:
    assert settings_from(build_parser().parse_args(["run"])) == Settings()


@pytest.mark.parametrize(
    ("variable", "options", "expected"),
    [
        ("registry.example.com/loader:1", [], "registry.example.com/loader:1"),
        ("registry.example.com/loader:1", ["--loader-image", "loader:2"], "loader:2"),
        ("", [], LoaderSettings().image),
    ],
)
def test_loader_image_defaults_to_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, options: list[str], expected: str
) -> None:
    monkeypatch.setenv("LOADER_IMAGE", variable)
    assert settings_from(build_parser().parse_args(["run", *options])).loader.image == expected


def test_settings_are_taken_from_the_options() -> None:
    options = build_parser().parse_args(
        [
            *("run", "--namespace", "ml", "-n", "ml", "-n", "dev", "--lease-namespace", "operators", "--workers", "2"),
            *("--lease-name", "ours"),
            *("--resync-seconds", "30", "--discovery-seconds", "5", "--probe-port", "0", "--loader-image", "loader:1"),
            *("--secure-metrics-port", "8443", "--metrics-cert-path", "/etc/metrics"),
            *("--loader-seconds", "60", "--refresh-seconds", "120", "--allow-cidr", "10.0.0.0/8"),
            *("--loader-proxy", "http://proxy.example.com:3128/", "--loader-no-proxy", ".svc, 10.0.0.0/8"),
            *("--loader-no-proxy", ".svc,minio.store", "--loader-ca-bundle", "company-ca/trust-bundle.pem"),
        ]
    )
    assert settings_from(options) == Settings(
        namespaces=("ml", "dev"),
        lease_namespace="operators",
        lease_name="ours",
        workers=2,
        resync_interval=30,
        discovery_interval=5,
        probe_port=0,
        secure_metrics_port=8443,
        metrics_cert_path=Path("/etc/metrics"),
        loader=LoaderSettings(
            image="loader:1",
            timeout_seconds=60,
            refresh_interval_seconds=120,
            allowed_cidrs=("10.0.0.0/8",),
            proxy="http://proxy.example.com:3128",
            no_proxy=(".svc", "10.0.0.0/8", "minio.store"),
            ca_bundle="company-ca/trust-bundle.pem",
        ),
    )
