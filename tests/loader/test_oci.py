"""OCI artifacts: layers with names and digests, in a registry that requires a password."""

import json

import pytest

from tests.environment.stores import oci
from tests.environment.stores.serving import Place
from tests.loader.conftest import Loader

FILES = {"model.bin": b"weights" * 100_000, "sub/config.json": b"{}"}


@pytest.fixture(scope="session")
def registry(place: Place) -> oci.Registry:
    return oci.start(place)


def test_artifact_is_pulled_by_tag_and_by_digest(load: Loader, registry: oci.Registry) -> None:
    digest = registry.push("team/iris", "v3", FILES)
    given = {**registry.store.environment, **registry.login()}
    outcome = load(f"oci+artifact://{registry.host}/team/iris:v3", given, key="tag")
    assert (outcome.code, outcome.files) == (0, FILES), outcome.log
    assert outcome.report["resolution"] == digest
    assert outcome.report["resolvedURI"] == f"oci+artifact://{registry.host}/team/iris@{digest}"
    assert load(f"oci+artifact://{registry.host}/team/iris@{digest}", given, key="digest").files == FILES
    assert load(f"oci+artifact://{registry.host}/team/iris", given, key="revision", revision="v3").files == FILES


def test_registry_login_is_verified(load: Loader, registry: oci.Registry) -> None:
    registry.push("team/iris", "v4", FILES)
    uri = f"oci+artifact://{registry.host}/team/iris:v4"
    missing = load(uri, registry.store.environment, key="a")
    assert (missing.reason, missing.files) == ("InvalidCredentials", {})
    wrong = load(uri, {**registry.store.environment, **registry.login("canary-password")}, key="b")
    assert (wrong.reason, wrong.files) == ("InvalidCredentials", {})
    assert "canary" not in wrong.log
    broken = load(uri, {**registry.store.environment, ".dockerconfigjson": json.dumps({"auths": "canary"})}, key="c")
    assert broken.reason == "InvalidCredentials"


@pytest.mark.parametrize(
    ("name", "reason"), [("team/none:v3", "ModelNotFound"), ("team/iris:none", "ModelNotFound"), ("UPPER:v1", "BadURI")]
)
def test_missing_model_is_reported(load: Loader, registry: oci.Registry, name: str, reason: str) -> None:
    registry.push("team/iris", "v3", FILES)
    given = {**registry.store.environment, **registry.login()}
    assert load(f"oci+artifact://{registry.host}/{name}", given).reason == reason


@pytest.mark.parametrize("title", ["../evil", "/evil", "a/../evil"])
def test_unsafe_names_are_refused(load: Loader, registry: oci.Registry, title: str) -> None:
    registry.push("team/evil", "v1", {title: b"evil"})
    given = {**registry.store.environment, **registry.login()}
    outcome = load(f"oci+artifact://{registry.host}/team/evil:v1", given)
    assert (outcome.reason, outcome.files) == ("UnsupportedKey", {})


def test_layers_without_names_are_reported(load: Loader, registry: oci.Registry) -> None:
    registry.push("team/nameless", "v1", FILES, titled=False)
    given = {**registry.store.environment, **registry.login()}
    outcome = load(f"oci+artifact://{registry.host}/team/nameless:v1", given)
    assert outcome.reason == "UnsupportedKey"
    assert "Push it with oras" in outcome.message
