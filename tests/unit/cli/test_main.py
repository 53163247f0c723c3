import pytest

from modelservice_operator.cli.main import main


@pytest.mark.parametrize("workers", ["0", "-1", "many"])
def test_main_rejects_invalid_number(workers: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", "--workers", workers])
    assert caught.value.code == 2
    assert "is not a positive integer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        ("--namespace", "Bad_Name", "'Bad_Name' is not the name of a namespace"),
        ("--lease-namespace", "-", "'-' is not the name of a namespace"),
        ("--lease-name", "a..b", "'a..b' is not the name of an object"),
        ("--probe-port", "65536", "'65536' is not a port from 0 to 65535"),
        ("--probe-port", "http", "'http' is not a port from 0 to 65535"),
        ("--secure-metrics-port", "-1", "'-1' is not a port from 0 to 65535"),
    ],
)
def test_main_rejects_invalid_operator_option(
    option: str, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", f"{option}={text}"])
    assert caught.value.code == 2
    assert f"argument {option}" in (printed := capsys.readouterr().err)
    assert message in printed


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("--loader-proxy", "proxy:3128"),
        ("--loader-proxy", "socks5://proxy:1080"),
        ("--loader-proxy", "http://me:secret@proxy:3128"),
        ("--loader-proxy", "http://proxy:3128/path"),
        ("--loader-no-proxy", "a b"),
        ("--loader-ca-bundle", "company-ca"),
        ("--loader-ca-bundle", "Company/ca.pem"),
        ("--loader-ca-bundle", "a/b/c"),
        ("--allow-cidr", "10.0.0.1/8"),
    ],
)
def test_main_rejects_invalid_loader_option(option: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", option, text])
    assert caught.value.code == 2
    assert option in capsys.readouterr().err


def test_certificate_without_its_port_is_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", "--metrics-cert-path", "/etc/metrics"])
    assert caught.value.code == 2
    assert "error: --metrics-cert-path needs --secure-metrics-port" in capsys.readouterr().err
