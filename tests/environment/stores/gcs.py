"""Google Cloud Storage by fake-gcs-server, in memory. It knows no authentication."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from tests.environment.stores.installing import python_tool
from tests.environment.stores.serving import Place, Store, answers

if TYPE_CHECKING:
    from collections.abc import Mapping


def start(place: Place, files: Mapping[str, bytes], *, bucket: str = "models") -> Store:
    """Start it with a bucket."""
    port = place.port()
    url = f"http://{place.host}:{port}"
    place.start(
        "gcs",
        [
            *(_program(), "-scheme", "http", "-host", place.host, "-port", str(port)),
            *("-backend", "memory", "-public-host", f"{place.host}:{port}"),
        ],
        ready=answers(f"{url}/storage/v1/b"),
    )
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
        client.post("/storage/v1/b", json={"name": bucket}).raise_for_status()
        for name, content in files.items():
            place_of_upload = f"/upload/storage/v1/b/{bucket}/o"
            query = {"uploadType": "media", "name": name}
            client.post(place_of_upload, params=query, content=content).raise_for_status()
    return Store(url, {"STORAGE_EMULATOR_HOST": url})


def _program() -> str:
    home = python_tool("gcs").parent
    [program] = [path for path in home.rglob("fake-gcs-server-*") if path.is_file()]
    return str(program)
