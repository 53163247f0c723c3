"""S3: a fast and exact server in front of a directory, whose users and rights are real."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.environment.stores.installing import versitygw
from tests.environment.stores.serving import Place, Store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEY, SECRET = "ROOTACCESSKEY", "root-secret-key-of-the-tests"
STRANGER_KEY, STRANGER_SECRET = "STRANGERKEY", "stranger-secret-of-the-tests"
"""A user that the store knows, without any right to read."""
BUCKET = "models"


def start(place: Place, *, certificate: tuple[Path, Path] | None = None, name: str = "s3") -> tuple[Store, Path]:
    """Start it; return how to reach it as its owner, and the directory of the bucket."""
    folder = place.folder / name
    bucket = folder / "data" / BUCKET
    users = folder / "users"
    bucket.mkdir(parents=True)
    users.mkdir()
    port = place.port()
    (users / "users.json").write_text(json.dumps(_users()))
    command: list[str | Path] = [versitygw(), "--quiet", "--keep-alive", "--port", f"{place.host}:{port}"]
    command += ["--iam-dir", users, "--access", KEY, "--secret", SECRET]
    command += ["--cert", certificate[0], "--key", certificate[1]] if certificate else []
    url = f"{'https' if certificate else 'http'}://{place.host}:{port}"
    place.start(
        name,
        [*command, "posix", folder / "data"],
        ready=lambda: place.listens(port),
    )
    return Store(url, environment(url)), bucket


def environment(url: str) -> Mapping[str, str]:
    """Return the environment variables of a loader."""
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": url,
        "AWS_REGION": "us-east-1",
    }


def _users() -> dict[str, object]:
    stranger = {"access": STRANGER_KEY, "secret": STRANGER_SECRET, "role": "user", "userID": 0, "groupID": 0}
    return {"accessAccounts": {STRANGER_KEY: stranger}}
