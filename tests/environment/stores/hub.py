"""A model hub, as far as the real client asks one: its REST API for one organisation, with private repositories."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.environment.stores.web import Handler, Web, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN = "hf_token_of_the_tests"  # noqa: S105 - of a hub that exists for a moment


@dataclass
class Hub:
    """Repositories on a web server of the tests."""

    web: Web
    commits: dict[str, str] = field(default_factory=dict)

    def commit(self, name: str, files: Mapping[str, bytes], *, private: bool = False, branch: str = "main") -> str:
        """Make a commit; return its name."""
        text = json.dumps({path: hashlib.sha256(content).hexdigest() for path, content in sorted(files.items())})
        sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
        info = {"id": name, "sha": sha, "siblings": [_sibling(path, content) for path, content in files.items()]}
        for revision in (branch, sha):
            self._page(f"/api/models/{name}/revision/{revision}", _json(info), private=private)
        self._page(f"/api/models/{name}", _json(info), private=private)
        for path, content in files.items():
            self._page(f"/{name}/resolve/{sha}/{path}", whole(content), private=private)
        return sha

    def refuse(self, path: str, status: int, code: str) -> None:
        """Answer as the Hub does when it says no."""
        self.web.page(path, lambda handler: handler.answer(status, b"{}", X_Error_Code=code, X_Error_Message=code))

    def _page(self, path: str, answer: object, *, private: bool) -> None:
        def guarded(handler: Handler) -> None:
            if private and handler.headers.get("Authorization") != f"Bearer {TOKEN}":
                # The Hub does not tell strangers that a repository exists.
                handler.answer(401, b"{}", X_Error_Code="RepoNotFound")
            else:
                answer(handler)  # type: ignore[operator]

        self.web.page(path, guarded)


def _json(body: object) -> object:
    text = json.dumps(body).encode()
    return lambda handler: handler.answer(200, text, Content_Type="application/json")


def _sibling(path: str, content: bytes) -> dict[str, object]:
    digest = hashlib.sha256(content).hexdigest()
    large = {"lfs": {"size": len(content), "sha256": digest, "pointerSize": 134}} if len(content) > 1000 else {}
    return {"rfilename": path, "size": len(content), "blobId": digest[:40], **large}
