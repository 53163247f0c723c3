"""Protection of the process: its environment, its memory dumps, and who may inspect it.

Called before anything else is imported, so that no library sees the environment of the pod. Credentials are read from
files (`credentials`); the environment that remains has nothing that a library of the loader could act on.
"""

import os
import resource
from collections.abc import MutableMapping
from contextlib import suppress

_KEPT = frozenset(
    {
        *("PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "TZ"),
        *("TERM", "COLUMNS", "LINES", "NO_COLOR"),  # the terminal of the progress bar
        *("SSL_CERT_FILE", "SSL_CERT_DIR"),  # of the image: OpenSSL reads them
    }
)
_PR_SET_DUMPABLE = 4
"""linux/prctl.h."""


def protect_process() -> dict[str, str]:
    """Reduce what other processes and libraries see of this one. Return its environment as it was."""
    forbid_dumps()
    return take_environment(os.environ)


def take_environment(environment: MutableMapping[str, str]) -> dict[str, str]:
    """Remove all variables but a few harmless ones; return all of them."""
    given = dict(environment)
    for name in given.keys() - _KEPT:
        del environment[name]
    return given


def forbid_dumps() -> None:
    """Forbid core files, which would contain credentials, and access by other processes of the same user.

    A process that is not dumpable cannot be traced, and its /proc files belong to root (prctl(2), PR_SET_DUMPABLE).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ImportError, OSError, AttributeError):  # a Python without ctypes, or a system without prctl
        import ctypes  # noqa: PLC0415

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
