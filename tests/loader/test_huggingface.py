"""Hugging Face: a hub of the tests, whose responses have the form of the real one."""

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


@pytest.mark.parametrize("uri", ["hf://org/pull@refs/pr/1", "hf://org/pull@refs%2Fpr%2F1"])
def test_revision_of_a_pull_request_is_loaded(load: Loader, hub: Hub, environment: dict[str, str], uri: str) -> None:
    hub.commit("org/pull", {"a": b"pull"}, branch="refs%2Fpr%2F1")
    assert load(uri, environment).files == {"a": b"pull"}


@pytest.mark.parametrize("uri", ["hf://gpt2", "hf://gpt2@main"])
def test_repository_without_an_organisation_is_loaded(
    load: Loader, hub: Hub, environment: dict[str, str], uri: str
) -> None:
    """The Hub redirects such names to the organisation that owns the repository today."""
    sha = hub.commit("openai-community/gpt2", {"a": b"gpt2"})
    path = "/api/models/{}/revision/main"
    hub.web.redirect(path.format("gpt2"), path.format("openai-community/gpt2"), status=307)
    outcome = load(uri, environment)
    assert (outcome.files, outcome.report["resolvedURI"]) == ({"a": b"gpt2"}, f"hf://openai-community/gpt2@{sha}")


def test_private_repository_requires_a_token(load: Loader, hub: Hub, environment: dict[str, str]) -> None:
    hub.commit("org/secret", {"a": b"secret"}, private=True)
    missing = load("hf://org/secret", environment, key="a")
    assert (missing.reason, "HF_TOKEN" in missing.message) == ("ModelNotFound", True)
    assert load("hf://org/secret", {**environment, "HF_TOKEN": TOKEN}, key="b").files == {"a": b"secret"}
    wrong = load("hf://org/secret", {**environment, "HF_TOKEN": "hf_wrong_canary"}, key="c")
    assert wrong.reason == "ModelNotFound"
    assert "canary" not in wrong.log


REFUSALS = (
    (404, "RepoNotFound", "", "ModelNotFound", "does not exist or is private"),
    (401, "RepoNotFound", "", "ModelNotFound", "put HF_TOKEN into the Secret"),
    (401, "", "Repository not found", "ModelNotFound", "does not exist or is private"),
    (401, "", "Invalid credentials in Authorization header", "InvalidCredentials", "does not know HF_TOKEN"),
    (403, "", "Access to this resource is disabled.", "AccessDenied", "was disabled by Hugging Face"),
    (404, "RevisionNotFound", "", "ModelNotFound", "The revision 'main' of hf://org/x does not exist"),
    (403, "GatedRepo", "", "AccessDenied", "accept its conditions"),
    (403, "", "Forbidden", "AccessDenied", "cannot be read with these credentials (HTTP 403)"),
)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal[0]} {refusal[1] or refusal[2]}")
def test_refusal_of_the_hub_is_reported(
    load: Loader, hub: Hub, environment: dict[str, str], refusal: tuple[int, str, str, str, str]
) -> None:
    status, code, message, reason, text = refusal
    hub.refuse("/api/models/org/x/revision/main", status, code, message)
    outcome = load("hf://org/x", environment)
    assert (outcome.code, outcome.reason) == (1, reason)
    assert text in outcome.message


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
    path = "/api/models/org/{}/revision/main"
    hub.web.redirect(path.format("old-name"), path.format("new-name") + "?blobs=true", status=status)
    outcome = load("hf://org/old-name", {**environment, "HF_TOKEN": TOKEN})
    assert (outcome.code, outcome.files) == (0, FILES), outcome.log
    assert outcome.report["resolvedURI"] == f"hf://org/new-name@{sha}"


def test_token_is_not_sent_to_another_origin(load: Loader, hub: Hub, environment: dict[str, str]) -> None:
    hub.commit("org/moved", {"a": b"moved"})
    elsewhere = f"https://127.0.0.1:{hub.web.server.server_port}"
    path = "/api/models/org/moved/revision/main"
    hub.web.redirect("/api/models/org/here/revision/main", f"{elsewhere}{path}")
    load("hf://org/here", {**environment, "HF_TOKEN": TOKEN})
    assert [headers.get("Authorization") for asked, headers in hub.web.asked if asked.startswith(path)] == [None]


def test_file_of_xet_is_loaded_without_the_token(load: Loader, hub: Hub, environment: dict[str, str]) -> None:
    """Files of LFS and Xet are redirected to other hosts, with a signature in the URL."""
    sha = hub.commit("org/xet", {"model.bin": WEIGHTS})
    hub.web.file("/xet-bridge/model.bin", WEIGHTS)
    other_host = hub.web.url.replace("localhost", "127.0.0.1")
    hub.move_file("org/xet", sha, "model.bin", f"{other_host}/xet-bridge/model.bin?X-Amz-Signature=canary")
    outcome = load("hf://org/xet", {**environment, "HF_TOKEN": TOKEN})
    assert (outcome.code, outcome.files) == (0, {"model.bin": WEIGHTS}), outcome.log
    asked = [headers for path, headers in hub.web.asked if path.startswith("/xet-bridge/model.bin")]
    assert asked
    assert not any("Authorization" in headers for headers in asked)
    assert "canary" not in outcome.log


def test_relative_location_of_a_file_is_followed(load: Loader, hub: Hub, environment: dict[str, str]) -> None:
    sha = hub.commit("org/relative", {"model.bin": WEIGHTS})
    hub.web.file(f"/api/resolve-cache/models/org/relative/{sha}/model.bin", WEIGHTS)
    hub.move_file("org/relative", sha, "model.bin", f"/api/resolve-cache/models/org/relative/{sha}/model.bin")
    assert load("hf://org/relative", environment).files == {"model.bin": WEIGHTS}


def test_names_with_special_characters_are_loaded(load: Loader, hub: Hub, environment: dict[str, str]) -> None:
    files = {"a b+c%20d/ü#?.txt": b"1", "1_Pooling/config.json": b"2", "empty": b""}
    hub.commit("org/names", files)
    assert load("hf://org/names", environment).files == files


@pytest.mark.parametrize("uri", ["hf://datasets/org/a", "hf://a/b/c", "hf://-a/b", "hf://a/../b", "hf://a/b--c"])
def test_invalid_repository_name_is_reported(load: Loader, environment: dict[str, str], uri: str) -> None:
    assert load(uri, environment).reason == "BadURI"


def test_file_with_wrong_digest_is_refused(load: Loader, hub: Hub, environment: dict[str, str]) -> None:
    sha = hub.commit("org/forged", {"model.bin": b"x" * 5000})
    hub.web.file(f"/org/forged/resolve/{sha}/model.bin", b"y" * 5000)
    outcome = load("hf://org/forged", environment)
    assert (outcome.reason, outcome.files) == ("DigestMismatch", {})
    assert hashlib.sha256(b"x" * 5000).hexdigest() in outcome.message


def test_small_file_with_another_blob_is_refused(load: Loader, hub: Hub, environment: dict[str, str]) -> None:
    sha = hub.commit("org/small", {"config.json": b"{}"})
    assert load("hf://org/small", environment, key="a").report["verified"] == ["git-sha1"]
    hub.web.file(f"/org/small/resolve/{sha}/config.json", b"[]")
    outcome = load("hf://org/small", environment, key="b")
    assert (outcome.reason, outcome.files) == ("DigestMismatch", {})


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
