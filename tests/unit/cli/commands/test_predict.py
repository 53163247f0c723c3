import argparse
import io
import sys
from pathlib import Path
from typing import Any

import pytest

from modelservice_cli.cluster.calls import Request
from modelservice_cli.commands.predict import add_arguments, build_request, choose_pod
from modelservice_cli.errors import CliError, ExitCode
from tests.support.families import family, replica_set
from tests.support.pods import OLD_HASH, new_pod, new_replica_set


def request(*arguments: str) -> Request:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return build_request(parser.parse_intermixed_args(["iris", *arguments]))


@pytest.mark.parametrize(
    ("arguments", "method", "target"),
    [
        ((), "GET", "/"),
        (("/v1/models",), "GET", "/v1/models"),
        (("predict", "-p", "f=0.05", "-p", "name=a b&c"), "GET", "/predict?f=0.05&name=a+b%26c"),
        (("/x?y=1", "--param", "z="), "GET", "/x?y=1&z="),
        (("--data", "{}"), "POST", "/"),
        (("--path", "/x", "-X", "PUT", "--data", "1"), "PUT", "/x"),
    ],
    ids=" ".join,
)
def test_method_and_target(arguments: tuple[str, ...], method: str, target: str) -> None:
    found = request(*arguments)
    assert (found.method, found.target) == (method, target)


def test_body_is_a_text_a_file_or_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "body").write_bytes(b"\x00\xff")
    assert request("-d", "[1]").body == b"[1]"
    assert request("-d", f"@{tmp_path / 'body'}").body == b"\x00\xff"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"piped")))
    assert request("-d", "@-").body == b"piped"


@pytest.mark.parametrize(
    ("arguments", "content_type"),
    [
        (("-d", "[1]"), "application/json"),
        (("-d", "text"), "application/octet-stream"),
        (("-d", "[1]", "-H", "content-type: text/csv"), "text/csv"),
    ],
    ids=["JSON", "other", "chosen"],
)
def test_content_type_follows_the_body(arguments: tuple[str, ...], content_type: str) -> None:
    headers = {name.lower(): value for name, value in request(*arguments).headers.items()}
    assert headers["content-type"] == content_type


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-p", "f"), "--param 'f' has not the form KEY=VALUE."),
        (("-H", "x"), "--header 'x' has not the form NAME: VALUE."),
        (("-d", "@/no/such/file"), "Cannot read /no/such/file: No such file or directory."),
    ],
    ids=["parameter", "header", "file"],
)
def test_wrong_argument_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CliError) as caught:
        request(*arguments)
    assert (str(caught.value), caught.value.code) == (sentence, ExitCode.USAGE)


def test_ready_pod_of_the_newest_revision_is_chosen() -> None:
    old, new, unready = new_pod().of_revision(OLD_HASH), new_pod(), new_pod().named("u").waiting("ErrImagePull")
    sets: dict[str, Any] = {"replica_sets": (new_replica_set(OLD_HASH, number=1), replica_set())}
    assert choose_pod(family(None, [old, new, unready], **sets), unready=False) == new.name
    assert choose_pod(family(None, [old, unready], **sets), unready=False) == old.name
    assert choose_pod(family(None, [unready], **sets), unready=True) == unready.name
    with pytest.raises(CliError, match="No replica of iris is ready"):
        choose_pod(family(None, [unready], **sets), unready=False)
