import pytest

from modelservice_operator.cli.main import main


@pytest.mark.parametrize("workers", ["0", "-1", "many"])
def test_main_rejects_invalid_number(workers: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", "--workers", workers])
    assert caught.value.code == 2
    assert "is not a positive integer" in capsys.readouterr().err
