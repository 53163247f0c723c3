"""Credentials from an exec plugin of a kubeconfig (client-go, plugin/pkg/client/auth/exec).

Plugins of cloud providers return a token, or a client certificate, with the time of its expiration.
"""

import logging
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK, Clock
from modelservice_operator.errors import CredentialsError

logger = logging.getLogger(__name__)

EXEC_EXTENSION = "client.authentication.k8s.io/exec"
"""Name of the extension of a cluster that is passed to plugins."""
TIMEOUT = 30.0
"""Seconds after which a plugin is killed."""
MIN_RUN_INTERVAL = 10.0
"""Minimum seconds between two runs, however often the API server rejects what the plugin returned."""
EARLY_RENEWAL = timedelta(minutes=2)
"""Time before the expiration at which the plugin runs again; the credentials in use are still valid then."""
_MAX_STDERR = 200


class _CamelModel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, hide_input_in_errors=True, extra="allow", frozen=True)


class _EnvVar(_CamelModel):
    name: str
    value: str


class ExecConfig(_CamelModel):
    """The plugin, as configured in a kubeconfig."""

    api_version: Literal["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"]
    command: str = Field(min_length=1)
    args: list[str] | None = None
    env: list[_EnvVar] | None = None
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: Literal["Never", "IfAvailable"] = "IfAvailable"
    """Always is not supported: the operator has no terminal."""


class ClusterInfo(BaseModel):
    """The cluster, as plugins see it that ask for it (`provideClusterInfo`)."""

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", "-"), populate_by_name=True)
    server: str
    tls_server_name: str | None = None
    insecure_skip_tls_verify: bool = False
    certificate_authority_data: str | None = None
    proxy_url: str | None = None
    config: Any = None


class _IssuedStatus(_CamelModel):
    expiration_timestamp: AwareDatetime | None = None
    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None


class _ExecCredential(_CamelModel):
    api_version: str
    kind: Literal["ExecCredential"]
    status: _IssuedStatus


@dataclass(frozen=True, slots=True)
class IssuedCredentials:
    """Result of one run. Certificate and key are PEM."""

    token: str | None = field(repr=False)
    certificate: bytes | None
    key: bytes | None = field(repr=False)
    expires: datetime | None


class ExecPlugin:
    """Runs a plugin when its last result expires or is rejected. Not thread-safe."""

    def __init__(self, config: ExecConfig, *, directory: Path, clock: Clock = SYSTEM_CLOCK) -> None:
        """`directory` is that of the kubeconfig: a command with a separator is relative to it."""
        self.config = config
        self._directory = directory
        self._clock = clock
        self._issued: IssuedCredentials | None = None
        self._is_rejected = False
        self._ran_at = -MIN_RUN_INTERVAL

    def discard(self) -> None:
        """Run the plugin at the next call of `get`, because the API server rejected its last result."""
        self._is_rejected = True

    def get(self, cluster: ClusterInfo) -> IssuedCredentials:
        """Return valid credentials. Blocks while the plugin runs. Raises CredentialsError if it fails."""
        now = self._clock.monotonic()
        if self._issued is not None and (self._is_valid(self._issued) or now - self._ran_at < MIN_RUN_INTERVAL):
            return self._issued
        self._ran_at = now
        self._issued, self._is_rejected = self._run(cluster), False
        return self._issued

    def _is_valid(self, issued: IssuedCredentials) -> bool:
        if self._is_rejected:
            return False
        return issued.expires is None or issued.expires - self._clock.now() > EARLY_RENEWAL

    def _run(self, cluster: ClusterInfo) -> IssuedCredentials:
        config = self.config
        try:
            result = subprocess.run(  # noqa: S603 - the user's kubeconfig names the command, as for kubectl
                [self._command(), *(config.args or ())],
                env=self._environment(cluster),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT,
                check=False,
            )
        except FileNotFoundError:
            raise CredentialsError(
                f"The exec plugin {config.command} is not installed. {config.install_hint}"
            ) from None
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CredentialsError(f"The exec plugin {config.command} failed: {error}") from error
        if result.returncode != 0:
            tail = result.stderr.decode(errors="replace").strip()[-_MAX_STDERR:]
            raise CredentialsError(f"The exec plugin {config.command} ended with {result.returncode}: {tail}")
        return self._parse(result.stdout)

    def _command(self) -> str:
        command = self.config.command
        return str(self._directory / command) if os.sep in command else command

    def _environment(self, cluster: ClusterInfo) -> Mapping[str, str]:
        spec: dict[str, Any] = {"interactive": False}
        if self.config.provide_cluster_info:
            spec["cluster"] = cluster.model_dump(by_alias=True, exclude_none=True)
        info = {"apiVersion": self.config.api_version, "kind": "ExecCredential", "spec": spec}
        extra = {variable.name: variable.value for variable in self.config.env or ()}
        return os.environ | extra | {"KUBERNETES_EXEC_INFO": orjson.dumps(info).decode()}

    def _parse(self, output: bytes) -> IssuedCredentials:
        try:
            credential = _ExecCredential.model_validate_json(output)
        except ValidationError:
            raise CredentialsError(f"The exec plugin {self.config.command} returned no ExecCredential.") from None
        status = credential.status
        if credential.api_version != self.config.api_version:
            raise CredentialsError(
                f"The exec plugin {self.config.command} returned {credential.api_version}"
                f" instead of {self.config.api_version}."
            )
        certificate, key = (text and text.encode() for text in (status.client_certificate_data, status.client_key_data))
        if not status.token and not (certificate and key):
            raise CredentialsError(f"The exec plugin {self.config.command} returned neither token nor certificate.")
        return IssuedCredentials(status.token, certificate or None, key or None, status.expiration_timestamp)
