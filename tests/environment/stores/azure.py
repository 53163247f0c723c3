"""Azure Blob Storage by Azurite. Its account and key are those of every emulator (Microsoft's documentation)."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import httpx

from tests.environment.stores.installing import node_tool
from tests.environment.stores.serving import Place, Store

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
VERSION = "2021-12-02"


def start(place: Place, files: Mapping[str, bytes], *, container: str = "models") -> Store:
    """Start it with a container."""
    node, home = node_tool("azurite")
    port = place.port()
    script = home / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    place.start(
        "azurite",
        [
            *(node, script, "--blobHost", place.host, "--blobPort", str(port), "--location", place.folder / "azurite"),
            *("--skipApiVersionCheck", "--disableTelemetry", "--silent"),
        ],
        ready=lambda: place.listens(port),
    )
    url = f"http://{place.host}:{port}/{ACCOUNT}"
    _fill(url, container, files)
    account = {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ENDPOINT": url}
    return Store(url, {**account, "AZURE_STORAGE_ACCOUNT_KEY": KEY})


def signature(*, lasts: dt.timedelta = dt.timedelta(hours=1), rights: str = "rl") -> str:
    """A shared access signature for the account's blobs; it has expired where `lasts` is negative."""
    now = dt.datetime.now(dt.UTC)
    start, end = (moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (now - dt.timedelta(days=1), now + lasts))
    parts = (ACCOUNT, rights, "b", "sco", start, end, "", "https,http", VERSION, "", "")
    digest = hmac.new(base64.b64decode(KEY), "\n".join(parts).encode(), hashlib.sha256).digest()
    query = {"sv": VERSION, "ss": "b", "srt": "sco", "sp": rights, "st": start, "se": end, "spr": "https,http"}
    return urlencode(query | {"sig": base64.b64encode(digest).decode()})


def _fill(url: str, container: str, files: Mapping[str, bytes]) -> None:
    writing = signature(rights="rwlcd")
    with httpx.Client(trust_env=False, timeout=30, headers={"x-ms-version": VERSION}) as client:
        client.put(f"{url}/{container}?restype=container&{writing}").raise_for_status()
        for name, content in files.items():
            head = {"x-ms-blob-type": "BlockBlob"}
            client.put(f"{url}/{container}/{name}?{writing}", content=content, headers=head).raise_for_status()
