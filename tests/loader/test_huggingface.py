"""Hugging Face: the real client with a hub of the tests."""

import hashlib
import json
import os
from collections.abc import Callable

import pytest

from tests.environment.stores.hub import TOKEN, Hub
from tests.environment.stores.web import Handler, endless
from tests.loader.conftest import Loader

WEIGHTS = os.urandom(9 << 20)
FILES = {"model.safetensors": WEIGHTS, "config.json": b"{}", "sub/vocab.txt": b"vocabulary", "README.md": b"#"}


def whole_json(value: object) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(200, json.dumps(value).encode(), Content_Type="application/json")


@pytest.fixture(scope="module")
def environment(hub: Hub) -> dict[str, str]:
    return {**hub.web.environment, "HF_ENDPOINT": hub.web.url}


def test_repository_is_downloaded_at_one_commit(load: Loader, hub: Hub, environment: dict[str, str]) -> None:
    sha = hub.commit("org/iris", {**FILES, ".gitattributes": b"*"})
    outcome = load("hf://org/iris", environment, ignore_patterns="*.md")
    assert (outcome.code, outcome.reason) == (0, "Loaded"), outcome.log
    assert outcome.files == {name: content for name, content in FILES.items() if name != "README.md"}
    assert outcome.report["resolvedURI"] == f"hf://org/iris@{sha}"
    assert outcome.report["resolution"] == sha
    fetched = [path for path, _ in hub.web.asked if path.startswith("/org/iris/resolve/")]
    assert all(sha in path for path in fetched)


def test_revision_is_read_from_the_uri_or_the_field(load: Loader, hub: Hub, environment: dict[str, str]) -> None:
    hub.commit("org/rose", {"a": b"main"})
    hub.commit("org/rose", {"a": b"dev"}, branch="dev")
    assert load("hf://org/rose@dev", environment, key="a").files == {"a": b"dev"}
    assert load("hf://org/rose", environment, key="b", revision="dev").files == {"a": b"dev"}
    assert load("hf://org/rose@dev", environment, key="c", revision="main").reason == "BadURI"


def test_private_repository_requires_a_token(load: Loader, hub: Hub, environment: dict[str, str]) -> None:
    hub.commit("org/secret", {"a": b"secret"}, private=True)
    missing = load("hf://org/secret", environment, key="a")
    assert (missing.reason, "HF_TOKEN" in missing.message) == ("ModelNotFound", True)
    assert load("hf://org/secret", {**environment, "HF_TOKEN": TOKEN}, key="b").files == {"a": b"secret"}
    wrong = load("hf://org/secret", {**environment, "HF_TOKEN": "hf_wrong_canary"}, key="c")
    assert wrong.reason == "ModelNotFound"
    assert "canary" not in wrong.log


def test_hub_error_codes_map_to_reasons(load: Loader, hub: Hub, environment: dict[str, str]) -> None:
    hub.refuse("/api/models/org/gone/revision/main", 404, "RepoNotFound")
    hub.refuse("/api/models/org/iris/revision/none", 404, "RevisionNotFound")
    hub.refuse("/api/models/org/gated/revision/main", 403, "GatedRepo")
    assert load("hf://org/gone", environment).reason == "ModelNotFound"
    revision = load("hf://org/iris@none", environment)
    assert (revision.reason, revision.message) == (
        "ModelNotFound",
        "The revision 'none' of hf://org/iris does not exist. Check model.revision.",
    )


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("refused", ["listing", "file"])
def test_gated_repository_requires_acceptance(
    load: Loader, hub: Hub, environment: dict[str, str], status: int, refused: str
) -> None:
    """The Hub lists a gated repository for any client, and refuses its files."""
    sha = hub.commit("org/gated", {"a": b"gated"})
    if refused == "listing":
        hub.refuse("/api/models/org/gated/revision/main", status, "GatedRepo")
    else:
        info = {"id": "org/gated", "sha": sha, "gated": "manual", "siblings": [{"rfilename": "a", "size": 5}]}
        hub.web.page("/api/models/org/gated/revision/main", whole_json(info))
        hub.refuse(f"/org/gated/resolve/{sha}/a", status, "GatedRepo")
    outcome = load("hf://org/gated", environment)
    assert (outcome.reason, outcome.files) == ("AccessDenied", {})
    assert "accept its conditions with the account of HF_TOKEN, then put HF_TOKEN into the Secret" in outcome.message


@pytest.mark.parametrize("status", [301, 307, 308])
def test_renamed_repository_is_downloaded(load: Loader, hub: Hub, environment: dict[str, str], status: int) -> None:
    """The Hub redirects the old name to the new one, by a path without a host."""
    sha = hub.commit("org/new-name", FILES, private=True)
    for path in ("/api/models/org/{}/revision/main", *(f"/org/{{}}/resolve/{sha}/{name}" for name in FILES)):
        hub.web.redirect(path.format("old-name"), path.format("new-name"), status=status)
    outcome = load("hf://org/old-name", {**environment, "HF_TOKEN": TOKEN})
    assert (outcome.code, outcome.files) == (0, FILES), outcome.log


def test_token_is_not_sent_to_another_origin(load: Loader, hub: Hub, environment: dict[str, str]) -> None:
    hub.commit("org/moved", {"a": b"moved"})
    elsewhere = f"https://127.0.0.1:{hub.web.server.server_port}"
    path = "/api/models/org/moved/revision/main"
    hub.web.redirect("/api/models/org/here/revision/main", f"{elsewhere}{path}")
    load("hf://org/here", {**environment, "HF_TOKEN": TOKEN})
    assert [headers.get("Authorization") for asked, headers in hub.web.asked if asked.startswith(path)] == [None]


@pytest.mark.parametrize("uri", ["hf://iris", "hf://a/b/c", "hf://-a/b", "hf://a/../b", "hf://a/b--c"])
def test_invalid_repository_name_is_reported(load: Loader, environment: dict[str, str], uri: str) -> None:
    assert load(uri, environment).reason == "BadURI"


def test_file_with_wrong_digest_is_refused(load: Loader, hub: Hub, environment: dict[str, str]) -> None:
    sha = hub.commit("org/forged", {"model.bin": b"x" * 5000})
    hub.web.file(f"/org/forged/resolve/{sha}/model.bin", b"y" * 5000)
    outcome = load("hf://org/forged", environment)
    assert (outcome.reason, outcome.files) == ("DigestMismatch", {})
    assert hashlib.sha256(b"x" * 5000).hexdigest() in outcome.message


@pytest.mark.parametrize("path", ["../evil", "/evil", "a/../../evil", "a\\evil"])
def test_unsafe_names_are_refused(load: Loader, hub: Hub, environment: dict[str, str], path: str) -> None:
    hub.commit("org/hostile", {path: b"evil"})
    outcome = load("hf://org/hostile", environment)
    assert (outcome.reason, outcome.files) == ("UnsupportedKey", {})


def test_endless_response_is_stopped(load: Loader, hub: Hub, environment: dict[str, str]) -> None:
    """A listing of gigabytes must not exhaust the memory (I12)."""
    hub.web.page("/api/models/org/endless/revision/main", endless(b"[" * 65_536))
    outcome = load("hf://org/endless", environment)
    assert (outcome.reason, outcome.files) == ("TooLarge", {})


def test_metadata_service_endpoint_is_refused(load: Loader) -> None:
    outcome = load("hf://org/iris", {"HF_ENDPOINT": "https://169.254.169.254"})
    assert outcome.code == 1
    assert "refused" in outcome.message
