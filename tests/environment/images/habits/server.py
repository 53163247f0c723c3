"""A server with one habit: `server.py HABIT [PORT]`. The habit is followed before the port is opened, as by imports."""

import getpass
import importlib
import io
import os
import re
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def do_nothing() -> None:
    """Only serve."""


def open_database() -> None:
    """Open a database in the working directory."""
    with sqlite3.connect("shop.db") as database:
        database.execute("create table if not exists orders (item text)")


def write_cache() -> None:
    """Write below ~/.cache."""
    directory = Path.home() / ".cache" / "server"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "entry").write_text("x")


def get_user() -> None:
    """Ask for the name of the user."""
    if not getpass.getuser():
        sys.exit("no user")


def import_compiler() -> None:
    """Do what `import torch._inductor` and `import triton` do (torch/_inductor/runtime/cache_dir_utils.py)."""
    user = re.sub(r'[\\/:*?"<>|]', "_", getpass.getuser())
    for directory in (Path(tempfile.gettempdir()) / f"torchinductor_{user}", Path.home() / ".triton" / "cache"):
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "kernel.so").write_bytes(b"")


def import_matplotlib() -> None:
    """Draw; matplotlib stores its fonts in a directory of the user."""
    matplotlib = importlib.import_module("matplotlib")
    matplotlib.use("agg")
    importlib.import_module("matplotlib.pyplot").figure().savefig(io.BytesIO(), format="png")
    if matplotlib.get_cachedir().startswith(tempfile.gettempdir()):
        sys.exit(f"matplotlib must build its font cache at each start: {matplotlib.get_cachedir()}")


def open_hub_cache() -> None:
    """Lock and write the cache of the Hugging Face Hub, where a download would write."""
    cache = Path(importlib.import_module("huggingface_hub.constants").HF_HUB_CACHE)
    (cache / ".locks").mkdir(parents=True, exist_ok=True)
    with importlib.import_module("huggingface_hub.utils").WeakFileLock(cache / ".locks" / "model.lock"):
        (cache / "models--x--y").mkdir(exist_ok=True)


HABITS: Mapping[str, Callable[[], None]] = {
    "plain": do_nothing,
    "sqlite": open_database,
    "cache": write_cache,
    "user": get_user,
    "torch": import_compiler,
    "matplotlib": import_matplotlib,
    "hub": open_hub_cache,
}


class Handler(BaseHTTPRequestHandler):
    """Answers each request with 200."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_message(self, *_arguments: object) -> None:
        """Write no access log."""


if __name__ == "__main__":
    habit, port = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else int(os.environ["PORT"])
    HABITS[habit]()
    ThreadingHTTPServer(("", port), Handler).serve_forever()
