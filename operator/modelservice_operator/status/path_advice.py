"""Advice for paths that a server cannot write, access or find: the field of the spec that makes them available."""

import re
from pathlib import PurePosixPath

from modelservice_operator.api.v1alpha1.spec import ModelServiceSpec
from modelservice_operator.api.v1alpha1.volumes import Mount

_MAX_PATH_CHARS = 150
_MIN_PARTS = 3
"""Parts of `/app/data`: directories of the root contain the programs of the image."""
_PATH = re.compile(r"(?:^|[\s'\"`(=,])(/[\w.@+-][\w.@+/-]*)")
_HOME_DIRECTORIES = re.compile(r"/(?:root|nonexistent|\.[\w-]+)(?:/|$)")
"""Home directories of images: that of root, none, and directories such as .cache in the home directory `/`."""
_HOME_ADVICE = "Set the variable for this directory, such as HOME or HF_HOME, in env to a directory below /tmp"
_PROGRAM_DIRECTORIES = re.compile(r"/(?:bin|boot|dev|etc|lib\w*|proc|sbin|sys|usr)(?:/|$)")
"""Directories that an empty volume must not hide."""
_DATA_DIRECTORIES = re.compile(r"/var/(?:cache|lib|log|spool)/[^/]+")
"""Directories of one program, which creates several directories in it."""
_RUN_DIRECTORY = re.compile(r"/(?:var/)?run(?:/|$)")
"""Directory of sockets and process IDs, empty in images. /var/run is a link to it."""


def last_path(line: str) -> str:
    """Return the last absolute path in a line: programs name themselves before it. Empty if there is none."""
    paths = [path.rstrip("./") for path in _PATH.findall(line)]
    return next((path for path in reversed(paths) if path and len(path) <= _MAX_PATH_CHARS), "")


def model_path(spec: ModelServiceSpec) -> str:
    """Return the path at which the operator provides the model; empty if it does not."""
    return spec.model.mount_path if spec.model is not None and spec.model.uri is not None else ""


def advice_to_write(path: str, spec: ModelServiceSpec) -> str:
    """Return how to make a path writable that is on a read-only file system. An empty path is a relative one."""
    if advice := _advice_to_write_into_volume(path, spec):
        return advice
    if _HOME_DIRECTORIES.match(path):
        return f"{_HOME_ADVICE}."
    directory = _mountable_directory(path)
    if not path:
        way = "set workingDir to a writable directory such as /tmp"
    elif directory is None:
        way = "let the server write to another directory, such as /tmp"
    else:
        way = f"add to mounts: {_empty_directory(directory, spec)}"
    root = "set writableRootFilesystem: true, and runAsUser to the owner of the directory"
    return f"The root file system is read-only by default: {way}, or {root}."


def advice_to_access(path: str, spec: ModelServiceSpec) -> str:
    """Return how to make a path accessible to the user of the container. An empty path is unknown."""
    if _mount_of(path, spec) is not None:
        return "Set fsGroup to the group of the files in the volume, or runAsUser to their owner."
    if _HOME_DIRECTORIES.match(path):
        return f"{_HOME_ADVICE}, or set runAsUser to the user of the image."
    users = "Set runAsUser to the user of the image, or runAsGroup: 0 if the image is made for any user of group 0"
    if not path:
        return f"{users}. If the server listens on a port below 1024, set containerPort to it."
    directory = _mountable_directory(path)
    if directory is None:
        return f"{users}."
    return f"{users}; for a directory to write to, add to mounts: {_empty_directory(directory, spec)}."


def advice_to_find(path: str, spec: ModelServiceSpec) -> str:
    """Return how to provide a file that does not exist. An empty path is a relative one."""
    model = model_path(spec)
    if model and (not path or _is_below(path, model)):
        return f"The model is at {model}: correct model.uri, or the name of the file in args or env."
    if model:
        return f"The model is at {model} (MODEL_PATH): correct the path in args or env."
    return "Set model.uri to download a model to /mnt/models, or correct the path in args or env."


def _advice_to_write_into_volume(path: str, spec: ModelServiceSpec) -> str:
    """Return the advice for a path in a volume of the pod; empty for other paths."""
    mount = _mount_of(path, spec)
    if mount is None:
        text = "The volume of the model is read-only: let the server write to another directory, such as /tmp."
        return text if any(_is_below(path, directory) for directory in _model_directories(spec)) else ""
    if mount.read_only:
        return f"Remove readOnly from volume {mount.name} of mounts."
    return f"Volume {mount.name} of mounts is read-only: let the server write to another directory."


def _model_directories(spec: ModelServiceSpec) -> list[str]:
    """Return the directories at which the volumes of the model and of the extra models are mounted."""
    if spec.model is None:
        return []
    is_in_image = spec.model.uri is None or spec.model.uri.startswith("file:")
    extras = [extra.mount_path for extra in spec.model.extra_models]
    return extras if is_in_image else [spec.model.mount_path, *extras]


def _mount_of(path: str, spec: ModelServiceSpec) -> Mount | None:
    """Return the innermost of the mounts that contain the path."""
    found = [mount for mount in spec.mounts or () if _is_below(path, mount.mount_path)]
    return max(found, key=lambda mount: len(mount.mount_path), default=None)


def _is_below(path: str, directory: str) -> bool:
    return bool(path and directory) and PurePosixPath(path).is_relative_to(directory)


def _mountable_directory(path: str) -> str | None:
    """Return the directory to mount for a path; None if a volume there would hide parts of the image."""
    if match := _DATA_DIRECTORIES.match(path):
        return match[0]
    if _RUN_DIRECTORY.match(path):
        return "/run"
    found = PurePosixPath(path)
    directory = found.parent if found.suffix else found
    has_programs = len(directory.parts) < _MIN_PARTS or _PROGRAM_DIRECTORIES.match(str(directory))
    return None if has_programs else str(directory)


def _empty_directory(path: str, spec: ModelServiceSpec) -> str:
    """Return an entry of mounts for an empty directory."""
    taken = {mount.name for mount in spec.mounts or ()}
    names = ("data", *(f"data-{number}" for number in range(2, len(taken) + 2)))
    name = next(name for name in names if name not in taken)
    return f"{{name: {name}, mountPath: {path}, emptyDir: {{}}}}"
