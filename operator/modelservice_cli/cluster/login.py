"""Credentials that a program or an identity provider issues, by the official client: exec plugins, oidc, gcp.

It is imported only for a kubeconfig that needs it, since its import takes as long as the rest of a command.
"""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from modelservice_cli.cluster.kubeconfig import Identity
from modelservice_cli.errors import CliError, ExitCode

_MAX_REASON_CHARS = 300
_NO_SUCH_FILE = "[Errno 2]"


def log_in(paths: Sequence[Path], context: str, user: Mapping[str, Any]) -> Identity:
    """Return what the exec plugin or the provider of `user` issues. Raises CliError with a sentence."""
    try:
        from kubernetes import config
        from kubernetes.client import Configuration
    except ImportError as error:
        raise CliError(
            f"The kubeconfig needs the official Kubernetes client, which is not installed ({error.name}): install"
            " modelservice-operator[cli].",
            ExitCode.UNREACHABLE,
        ) from error
    configuration = Configuration()
    load: Any = config.load_kube_config  # has no types
    with _collected_errors() as errors:
        try:
            load(os.pathsep.join(map(str, paths)), context=context, client_configuration=configuration)
        except (config.ConfigException, OSError, ValueError, KeyError) as error:
            raise CliError(_failed(user, str(error)), ExitCode.UNREACHABLE) from error
        except Exception as error:  # an identity provider answers what it likes, and oauthlib has its own errors
            raise CliError(_failed(user, f"{type(error).__name__}: {error}"), ExitCode.UNREACHABLE) from error
    if errors:
        is_missing = errors[-1].startswith(_NO_SUCH_FILE)
        raise CliError(_not_installed(user) if is_missing else _failed(user, errors[-1]), ExitCode.UNREACHABLE)
    token = configuration.api_key.get("BearerToken")
    certificate, key = (_read(path) for path in (configuration.cert_file, configuration.key_file))
    if not token and certificate is None:
        raise CliError(_failed(user, "it issued neither a token nor a certificate"), ExitCode.UNREACHABLE)
    headers = (("Authorization", str(token)),) if token else ()
    return Identity(certificate=certificate, key=key, headers=headers)


class _Collector(logging.Handler):
    """Keeps the messages of errors."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def _collected_errors() -> Iterator[list[str]]:
    """Collect what the client logs on the root logger: it reports a failed exec plugin there, and raises nothing."""
    collector, root = _Collector(), logging.getLogger()
    previous, root.handlers = root.handlers, [collector]
    try:
        yield collector.messages
    finally:
        root.handlers = previous


def _read(path: str | None) -> bytes | None:
    return Path(path).read_bytes() if path else None


def _name(user: Mapping[str, Any]) -> str:
    """Return what the kubeconfig names."""
    plugin = user.get("exec") or {}
    provider = user.get("auth-provider") or {}
    return str(plugin.get("command") or provider.get("name") or "of the kubeconfig")


def _not_installed(user: Mapping[str, Any]) -> str:
    hint = " ".join(str((user.get("exec") or {}).get("installHint") or "").split())
    advice = hint[:_MAX_REASON_CHARS] or "install it, or correct the kubeconfig."
    return f"The login program {_name(user)} of the kubeconfig is not installed: {advice}"


def _failed(user: Mapping[str, Any], reason: str) -> str:
    text = " ".join(reason.split())[:_MAX_REASON_CHARS].rstrip(".")
    return f"The login with {_name(user)} failed: {text}. Log in again, then repeat the command."
