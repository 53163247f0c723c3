"""Builds the environment of the containers.

The pods run as a user that images do not know. Without USER, getpass.getuser() looks for it in /etc/passwd and fails;
without HOME, ~ is /, which is not writable. XDG_CACHE_HOME directs the caches of most libraries below HOME.
"""

from collections.abc import Sequence
from typing import Any

from modelservice_operator.api.v1alpha1.environment import EnvFromSource, EnvVar
from modelservice_operator.api.v1alpha1.spec import ModelService
from modelservice_operator.apimachinery.quantity import Quantity
from modelservice_operator.resources.metadata import dump, dump_all, omit_none

HOME_PATH = "/home/model"
"""Default of HOME, an emptyDir volume."""
_USER_NAME = "model"


def build_environment(service: ModelService) -> list[dict[str, Any]]:
    """Return `env` of the model container. A variable of the user replaces the operator's of the same name."""
    spec = service.spec
    return build_variables(_server_variables(service), spec.env or ())


def build_variables(values: dict[str, str], own: Sequence[EnvVar]) -> list[dict[str, Any]]:
    """Return `env` of a container: the defaults of every container, `values`, then the user's `own` variables.

    A reference $(NAME) is only expanded to a variable before it, so the user's are last.
    """
    names = {variable.name for variable in own}
    defaults = {"USER": _USER_NAME} | ({} if "HOME" in names else _home_variables(HOME_PATH)) | values
    ours = [_build_literal(name, value) for name, value in defaults.items() if name not in names]
    return ours + [_build_variable(variable) for variable in own] + _own_home_cache(own, names)


def has_default_home(own: Sequence[EnvVar]) -> bool:
    """Return True if HOME is the operator's, which needs a volume."""
    return all(variable.name != "HOME" for variable in own)


def build_env_from(sources: Sequence[EnvFromSource] | None) -> list[dict[str, Any]] | None:
    """Return `envFrom` of a container; None if there is none."""
    return dump_all(sources)


def build_field_reference(source: dict[str, Any]) -> dict[str, Any]:
    """Return a source of the downward API with the defaults of the API server: such maps are compared as a whole."""
    if "fieldRef" in source:
        return source | {"fieldRef": {"apiVersion": "v1"} | source["fieldRef"]}
    if "resourceFieldRef" in source:
        reference = source["resourceFieldRef"]
        return source | {"resourceFieldRef": reference | {"divisor": Quantity(reference.get("divisor", "0"))}}
    return source


def _server_variables(service: ModelService) -> dict[str, str]:
    spec = service.spec
    values = {"PORT": str(spec.container_port), "MODEL_NAME": service.metadata.name}
    if spec.model is not None:
        values["MODEL_NAME"] = spec.model.name or service.metadata.name
        if spec.model.uri is not None:
            values |= {"MODEL_URI": spec.model.uri, "MODEL_PATH": spec.model.mount_path}
    return values


def _home_variables(home: str) -> dict[str, str]:
    return {"HOME": home, "XDG_CACHE_HOME": f"{home}/.cache"}


def _own_home_cache(own: Sequence[EnvVar], names: set[str]) -> list[dict[str, Any]]:
    """Return XDG_CACHE_HOME below a HOME that the user set. Behind it, so that the kubelet expands $(HOME)."""
    home = next((variable.value for variable in own if variable.name == "HOME"), None)
    return [{"name": "XDG_CACHE_HOME", "value": "$(HOME)/.cache"}] if home and "XDG_CACHE_HOME" not in names else []


def _build_literal(name: str, value: str) -> dict[str, Any]:
    """Return a variable with each `$` doubled: the kubelet expands $(NAME) and turns $$ into $ (core/v1 EnvVar)."""
    return {"name": name, "value": value.replace("$", "$$")}


def _build_variable(variable: EnvVar) -> dict[str, Any]:
    if variable.value_from is not None:
        source = dump(variable.value_from)
        return {"name": variable.name, "valueFrom": build_field_reference(source)}
    # The API server drops an empty value, which would otherwise count as drift at each reconcile.
    return {"name": variable.name, **omit_none(value=variable.value or None)}
