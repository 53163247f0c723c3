"""Load one model: resolve, list, check, download, verify, publish."""

from dataclasses import dataclass, replace

from model_loader.archives import unpack_archive
from model_loader.download import Downloader, Source, digest_mismatch_error, too_large_error
from model_loader.errors import LoaderError, Reason
from model_loader.manifest import Entry, File, Listing, Manifest
from model_loader.paths import find_conflict, validate_path
from model_loader.progress import JsonLogger, Progress
from model_loader.report import Report
from model_loader.request import Request
from model_loader.sources import open_source
from model_loader.volume import Workspace

_ARCHIVE_NAME = "archive"


@dataclass(frozen=True, slots=True)
class LoadContext:
    """The parts of one load: the request, its store, its directories on the volume and its progress."""

    request: Request
    source: Source
    workspace: Workspace
    progress: Progress


def load_model(request: Request, progress: Progress, log: JsonLogger) -> Report:
    """Publish the model, unless it is published already. Raises LoaderError."""
    workspace = Workspace(request.target)
    workspace.prepare()
    with workspace.lock(deadline=progress.deadline, on_wait=lambda: log.log_event("waiting for another loader")):
        published = workspace.read_published()
        if published is not None and published.uri != request.uri:
            message = f"{request.target} contains the model of another URI. Choose another directory."
            raise LoaderError(Reason.LOADER_FAILED, message)
        if published is not None and _satisfies(published, request):
            return _build_report("Cached", "The model is already in the cache.", published, progress)
        workspace.check_target_unclaimed()
        source = open_source(request)
        try:
            listing = select_files(source.list_files(), request)
            if published is not None and published.resolution == listing.resolution:
                _check_digest(published, request)
                return _build_report("Cached", "The model is already in the cache.", published, progress)
            log.log_event("resolved", uri=listing.resolved_uri, files=len(listing.entries), bytes=listing.size)
            manifest = _download_model(LoadContext(request, source, workspace, progress), listing)
        finally:
            source.close()
        manifest = workspace.publish(manifest)
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
    entries = (
        listing.entries if request.extract else tuple(one for one in listing.entries if request.is_selected(one.path))
    )
    if not entries:
        message = (
            f"{request.uri} contains no file selected by model.loader.allowPatterns and ignorePatterns."
            if listing.entries
            else f"There is no file at {request.uri}. Check model.uri: a directory must contain at least one file."
        )
        raise LoaderError(Reason.MODEL_NOT_FOUND, message)
    for entry in entries:
        validate_path(entry.path)
    if (name := find_conflict(sorted(entry.path for entry in entries))) is not None:
        message = f"The store lists {name!r} twice, or as a file and as a directory. Exclude one with ignorePatterns."
        raise LoaderError(Reason.UNSUPPORTED_KEY, message)
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


def _download_model(context: LoadContext, listing: Listing) -> Manifest:
    request, workspace = context.request, context.workspace
    context.progress.total_bytes = listing.size if all(entry.size is not None for entry in listing.entries) else None
    # An earlier loader may have downloaded a part: that part needs no more space.
    present = sum(file.stat().st_size for file in workspace.tree.rglob("*") if file.is_file())
    if listing.size - present > (available := workspace.available_bytes()):
        raise too_large_error(f"The model has {listing.size} bytes, and the volume has room for {available + present}.")
    downloader = Downloader(context.source, workspace, request.limits, context.progress)
    if request.extract:
        files = _download_archive(context, downloader, listing.entries[0])
    else:
        files = downloader.download(listing.entries)
    manifest = Manifest(uri=request.uri, resolved_uri=listing.resolved_uri, resolution=listing.resolution, files=files)
    _check_digest(manifest, request)
    return manifest


def _download_archive(context: LoadContext, downloader: Downloader, entry: Entry) -> tuple[File, ...]:
    """Download an archive, compare it with the digest of the request, and replace it with its files."""
    request, workspace = context.request, context.workspace
    [file] = downloader.download([replace(entry, path=_ARCHIVE_NAME)])
    if request.sha256 is not None and file.sha256 != request.sha256:
        raise digest_mismatch_error("The archive", expected=request.sha256, found=file.sha256)
    archive = workspace.partial_directory / _ARCHIVE_NAME
    (workspace.tree / _ARCHIVE_NAME).rename(archive)
    try:
        return unpack_archive(archive, workspace.tree, is_selected=request.is_selected, limits=request.limits)
    except LoaderError:
        workspace.discard_partial()
        raise
    finally:
        archive.unlink(missing_ok=True)


def _satisfies(published: Manifest, request: Request) -> bool:
    """Return True if the published tree can be used without a request to the store, which may be unreachable."""
    if request.resolution is not None and request.resolution != published.resolution:
        return False
    return request.sha256 is None or request.extract or request.sha256 == published.digest


def _check_digest(manifest: Manifest, request: Request) -> None:
    """Compare the digest of the tree. The digest of an archive was compared before it was unpacked."""
    if request.sha256 is not None and not request.extract and manifest.digest != request.sha256:
        raise digest_mismatch_error("The model", expected=request.sha256, found=manifest.digest)


def _build_report(reason: str, message: str, manifest: Manifest, progress: Progress) -> Report:
    return Report(
        reason=reason,
        message=message,
        uri=manifest.uri,
        resolved_uri=manifest.resolved_uri,
        resolution=manifest.resolution,
        digest=manifest.digest,
        bytes=manifest.size,
        files=len(manifest.files),
        seconds=progress.elapsed_seconds,
    )


def _describe_size(manifest: Manifest) -> str:
    files = "1 file" if len(manifest.files) == 1 else f"{len(manifest.files)} files"
    return f"{files}, {manifest.size} bytes"
