"""A model hub, as far as the loader asks one: its REST API, with private, renamed and refused repositories."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

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
            self._page(f"/{name}/resolve/{sha}/{quote(path)}", whole(content), private=private)
        return sha

    def move_file(self, name: str, sha: str, path: str, target: str) -> None:
        """Redirect a file as the Hub does for files of LFS and Xet: to other hosts, or to a path without a host."""
        headers = {"X_Linked_ETag": '"0"', "X_Xet_Hash": "0" * 64, "Location": target}
        self._page(f"/{name}/resolve/{sha}/{path}", lambda handler: handler.answer(302, **headers), private=False)

    def refuse(self, path: str, status: int, code: str, message: str = "") -> None:
        """Answer as the Hub does when it says no. For some causes it sends a message, but no code."""
        headers = {"X_Error_Message": message or code} | ({"X_Error_Code": code} if code else {})
        self.web.page(path, lambda handler: handler.answer(status, b"{}", **headers))

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
    size = len(content)
    if size <= 1000:
        return {"rfilename": path, "size": size, "blobId": git_blob(content)}
    digest = hashlib.sha256(content).hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {size}\n".encode()
    large = {"size": size, "sha256": digest, "pointerSize": len(pointer)}
    return {"rfilename": path, "size": size, "blobId": git_blob(pointer), "lfs": large}


def git_blob(content: bytes) -> str:
    """Return the name of a blob, as `git hash-object` prints it."""
    return hashlib.sha1(b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()
