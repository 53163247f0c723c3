import hashlib
from pathlib import Path

import pytest

from modelservice_operator import __version__
from tests.environment.images import ImagesError, __main__, uv


def test_list_names_every_image(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["operator", f"modelservice.dev/operator:{__version__}"],
        ["loader", f"modelservice.dev/loader:{__version__}"],
        ["diabetes", "modelservice.dev/examples/diabetes:0.1.0"],
        ["habits", "modelservice.test/habits:1"],
    ]


def test_unknown_image_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        __main__.main(["build", "unheard-of"])
    assert "unheard-of" in capsys.readouterr().err


def test_failure_is_one_message(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise ImagesError("The log is there.")

    monkeypatch.setattr(__main__, "build", fail)
    assert __main__.main(["build", "operator"]) == 1
    assert capsys.readouterr().err == "The log is there.\n"


def test_only_a_locked_wheel_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uv-1-forged.whl").write_bytes(b"forged")
    (tmp_path / "uv-1-locked.whl").write_bytes(b"locked")
    requirements = tmp_path / "requirements.txt"
    requirements.write_text(f"uv==1 --hash=sha256:{hashlib.sha256(b'locked').hexdigest()}")
    monkeypatch.setattr(uv, "REQUIREMENTS", requirements)
    assert uv.ensure_wheel(tmp_path).name == "uv-1-locked.whl"
