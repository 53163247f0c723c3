"""Load one model: resolve, list, check, download, verify, publish."""

import os
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import IO

from model_loader.download import (
    START_BYTES,
    Downloader,
    Inspector,
    ResumeJournal,
    Source,
    digest_mismatch_error,
    too_large_error,
)
from model_loader.errors import LoaderError, Reason
from model_loader.manifest import Entry, File, Listing, Manifest
from model_loader.paths import Directory, PathSet, is_unshared_file, validate_path
from model_loader.plausibility import check_plausible, check_start
from model_loader.progress import JsonLogger, Progress
from model_loader.report import Report
from model_loader.request import Request
from model_loader.sources import open_source
from model_loader.volume import Workspace, no_space_error

_ARCHIVE_DIRECTORY = "download"
"""Directory of the archive, next to the tree: the files of an archive may have any names."""
_ARCHIVE_NAME = "archive"


@dataclass(frozen=True, slots=True)
class LoadContext:
    """The parts of one load: the request, its store, its directories on the volume, its progress and its log."""

    request: Request
    source: Source
    workspace: Workspace
    progress: Progress
    log: JsonLogger


def load_model(request: Request, progress: Progress, log: JsonLogger) -> Report:
    """Publish the model, unless it is published already. Raises LoaderError."""
    with (
        Workspace(request.target) as workspace,
        workspace.lock(deadline=progress.deadline, on_wait=lambda: log.log_event("waiting for another loader")),
    ):
        published = workspace.read_published()
        if published is not None and published.uri != request.uri:
            message = f"{request.target} contains the model of another URI. Choose another directory."
            raise LoaderError(Reason.LOADER_FAILED, message)
        if published is not None and _satisfies(published, request):
            return _report_cached(workspace, published, progress)
        workspace.check_target_unclaimed()
        source = open_source(request)
        try:
            listing = select_files(source.list_files(), request)
            if published is not None and published.resolution == listing.resolution and _has_digest(published, request):
                _check_digest(published, request)
                return _report_cached(workspace, published, progress)
            log.log_event("resolved", uri=listing.resolved_uri, files=len(listing.entries), bytes=listing.size)
            manifest = _publish_model(LoadContext(request, source, workspace, progress, log), listing)
        finally:
            source.close()
    return _build_report(
        "Loaded", f"Loaded {_describe_size(manifest)} from {manifest.resolved_uri}.", manifest, progress
    )


def resolve_model(request: Request, progress: Progress) -> Report:
    """Resolve the URI to its current content without downloading. Raises LoaderError."""
    source = open_source(request)
    try:
        listing = select_files(source.list_files(), request)
    finally:
        source.close()
    return Report(
        reason="Resolved",
        message=f"{request.uri} resolves to {listing.resolved_uri}.",
        uri=request.uri,
        resolved_uri=listing.resolved_uri,
        resolution=listing.resolution,
        bytes=listing.size,
        files=len(listing.entries),
        seconds=progress.elapsed_seconds,
    )


def select_files(listing: Listing, request: Request) -> Listing:
    """Apply the patterns, and check names and limits before the first byte is downloaded. Raises LoaderError."""
    # The patterns select files of an archive, which are only known when it is unpacked.
    entries = tuple(
        one for one in listing.entries if request.extract or one.is_packed_directory or request.is_selected(one.path)
    )
    if not entries:
        message = (
            f"{request.uri} contains no file selected by model.loader.allowPatterns and ignorePatterns."
            if listing.entries
            else f"There is no file at {request.uri}. Check model.uri: a directory must contain at least one file."
        )
        raise LoaderError(Reason.MODEL_NOT_FOUND, message)
    paths = PathSet("The store lists")
    for entry in entries:
        if not entry.is_packed_directory:
            paths.add(validate_path(entry.path))
        elif entry.path != ".":
            validate_path(entry.path)
    selected = replace(listing, entries=entries)
    if len(entries) > request.limits.max_files:
        raise too_large_error(f"The model has more than {request.limits.max_files} files.")
    if selected.size > request.limits.max_bytes:
        raise too_large_error(
            f"The model has {selected.size} bytes, and at most {request.limits.max_bytes} are allowed."
        )
    if request.extract and len(entries) != 1:
        message = f"model.loader.extract unpacks a single archive, but {request.uri} contains {len(entries)} files."
        raise LoaderError(Reason.BAD_URI, message)
    return selected


def _publish_model(context: LoadContext, listing: Listing) -> Manifest:
    """Download and publish a model. If the unfinished download of an earlier loader does not fit, begin without it."""
    try:
        return context.workspace.publish(_download_model(context, listing))
    except OSError as error:
        if no_space_error(error) is not None:
            raise
        context.log.log_event("discarded the unfinished download", cause=error.strerror or type(error).__name__)
    context.workspace.discard_partial()
    context.progress.restart()
    return context.workspace.publish(_download_model(context, listing))


def _download_model(context: LoadContext, listing: Listing) -> Manifest:
    request, workspace = context.request, context.workspace
    context.progress.total_bytes = listing.size if all(entry.size is not None for entry in listing.entries) else None
    # An earlier loader may have downloaded a part: that part needs no more space.
    present = sum(_count_stored_bytes(status) for _, status in workspace.partial.walk() if is_unshared_file(status))
    if listing.size - present > (available := workspace.available_bytes()):
        raise too_large_error(f"The model has {listing.size} bytes, and the volume has room for {available + present}.")
    files = _download_archive(context, listing.entries[0]) if request.extract else _download_files(context, listing)
    manifest = Manifest(uri=request.uri, resolved_uri=listing.resolved_uri, resolution=listing.resolution, files=files)
    check_plausible(manifest.files, request)
    _check_digest(manifest, request)
    if request.sha256 is not None:
        manifest = replace(manifest, files=tuple(_mark_verified(file, "sha256") for file in files))
    context.log.log_event("verified", checksums=", ".join(manifest.verified) or "none")
    return manifest


def _count_stored_bytes(status: os.stat_result) -> int:
    """Return the bytes of a file that take space: a large file has its size before its bytes (stat(2), st_blocks)."""
    return min(status.st_size, status.st_blocks * 512)


def _mark_verified(file: File, *algorithms: str) -> File:
    return replace(file, verified=tuple(sorted({*file.verified, *algorithms})))


def _download_files(context: LoadContext, listing: Listing) -> tuple[File, ...]:
    workspace, inspect = context.workspace, _build_inspector(context.request)
    packed = [entry for entry in listing.entries if entry.is_packed_directory]
    if not packed:
        workspace.partial.remove(_ARCHIVE_DIRECTORY)
        return _download(context, workspace.tree, listing.entries, inspect)
    with workspace.partial.replace_with_directory(_ARCHIVE_DIRECTORY) as directory:
        renamed = [replace(entry, path=f"{_ARCHIVE_NAME}-{number}") for number, entry in enumerate(packed)]
        archives = {file.path: file for file in _download(context, directory, renamed)}
        # It also removes what an earlier loader has unpacked.
        plain_entries = [entry for entry in listing.entries if not entry.is_packed_directory]
        plain = _download(context, workspace.tree, plain_entries, inspect)
        folders = [(one.path, archives[new.path]) for one, new in zip(packed, renamed, strict=True)]
        try:
            return plain + _unpack_directories(context, directory, folders, plain)
        except LoaderError:
            workspace.discard_partial()
            raise


def _build_inspector(request: Request) -> Inspector:
    """Return the check of the first bytes of each file."""
    return lambda path, start: check_start(path, start, request)


def _unpack_directories(
    context: LoadContext, directory: Directory, folders: list[tuple[str, File]], plain: tuple[File, ...]
) -> tuple[File, ...]:
    """Unpack archives, whose digests were compared, to the paths of their directories. Raises LoaderError."""
    from model_loader.archives import Tree, no_selected_file_error, unpack_archive  # noqa: PLC0415 - most have none

    request, unpacked = context.request, list[File]()
    total = sum(file.size for file in plain) + sum(archive.size for _, archive in folders)
    tree = Tree((file.path for file in plain), bytes_on_volume=total, subject="The model")
    for folder, archive in folders:

        def is_selected(path: str, folder: str = folder) -> bool:
            if folder != "." and not path.startswith(f"{folder}/"):
                message = f"The archive of the directory {folder!r} contains {path[:200]!r}, which is outside of it."
                raise LoaderError(Reason.UNSUPPORTED_KEY, f"{message} Push the artifact again.")
            return request.is_selected(path)

        tree.bytes -= archive.size
        with os.fdopen(directory.open_file(archive.path, os.O_RDONLY), "rb") as content:
            members = unpack_archive(
                content,
                context.workspace.tree,
                is_selected=is_selected,
                limits=request.limits,
                inspect=_build_inspector(request),
                tree=tree,
                checksums=() if request.sha256 is None else ("sha256",),
            )
        tree.bytes += archive.size
        unpacked += [_mark_verified(member, *archive.verified) for member in members]
    if not tree.files:
        raise no_selected_file_error("The archives contain")
    return tuple(unpacked)


def _download_archive(context: LoadContext, entry: Entry) -> tuple[File, ...]:
    """Download an archive, compare it with the digest of the request, and unpack it."""
    from model_loader.archives import unpack_archive  # noqa: PLC0415 - most models are no archives

    request, workspace = context.request, context.workspace
    # What an earlier loader unpacked is unpacked again. The archive itself is resumed.
    workspace.tree.remove_all_but(())
    with workspace.partial.replace_with_directory(_ARCHIVE_DIRECTORY) as directory:
        [file] = _download(context, directory, [replace(entry, path=_ARCHIVE_NAME)])
        with os.fdopen(directory.open_file(_ARCHIVE_NAME, os.O_RDONLY), "rb") as archive:
            if request.sha256 is not None and file.sha256 != request.sha256:
                _check_archive_plausible(archive, file, request)
                raise digest_mismatch_error("The archive", expected=request.sha256, found=file.sha256 or "")
            try:
                members = unpack_archive(
                    archive,
                    workspace.tree,
                    is_selected=request.is_selected,
                    limits=request.limits,
                    inspect=_build_inspector(request),
                )
            except LoaderError as error:
                if error.reason is Reason.UNSUPPORTED_KEY:
                    _check_archive_plausible(archive, file, request)
                workspace.discard_partial()
                raise
    return tuple(_mark_verified(member, *file.verified) for member in members)


def _check_archive_plausible(archive: IO[bytes], file: File, request: Request) -> None:
    """Raise LoaderError if a store sent something else than an archive."""
    archive.seek(0)
    check_start(file.path, archive.read(START_BYTES), request)
    check_plausible([file], request)


def _download(
    context: LoadContext, root: Directory, entries: Iterable[Entry], inspect: Inspector | None = None
) -> tuple[File, ...]:
    with closing(ResumeJournal(context.workspace.partial)) as journal:
        return Downloader(
            context.source,
            root,
            journal,
            context.request.limits,
            context.progress,
            needs_sha256=context.request.sha256 is not None,
            inspect=inspect,
        ).download(entries)


def _satisfies(published: Manifest, request: Request) -> bool:
    """Return True if the published tree can be used without a request to the store, which may be unreachable."""
    if request.resolution is not None and request.resolution != published.resolution:
        return False
    return request.sha256 is None or request.extract or request.sha256 == published.sha256


def _has_digest(published: Manifest, request: Request) -> bool:
    """Return True unless a SHA-256 digest is requested that was not computed when the tree was loaded."""
    return request.sha256 is None or request.extract or published.sha256 is not None


def _check_digest(manifest: Manifest, request: Request) -> None:
    """Compare the digest of the tree. The digest of an archive was compared before it was unpacked."""
    if request.sha256 is not None and not request.extract and manifest.sha256 != request.sha256:
        raise digest_mismatch_error("The model", expected=request.sha256, found=manifest.sha256 or "")


def _report_cached(workspace: Workspace, published: Manifest, progress: Progress) -> Report:
    workspace.discard_partial()  # left by a loader that was killed after it published
    return _build_report("Cached", "The model is already in the cache.", published, progress)


def _build_report(reason: str, message: str, manifest: Manifest, progress: Progress) -> Report:
    return Report(
        reason=reason,
        message=message,
        uri=manifest.uri,
        resolved_uri=manifest.resolved_uri,
        resolution=manifest.resolution,
        digest=manifest.digest,
        verified=manifest.verified,
        bytes=manifest.size,
        files=len(manifest.files),
        seconds=progress.elapsed_seconds,
    )


def _describe_size(manifest: Manifest) -> str:
    files = "1 file" if len(manifest.files) == 1 else f"{len(manifest.files)} files"
    return f"{files}, {manifest.size} bytes"
