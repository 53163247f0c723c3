"""Loading one model: resolve, list, check, fetch, verify, publish."""

from dataclasses import replace

from model_loader.archives import unpack
from model_loader.download import Fetching, Source, mismatch, too_large
from model_loader.errors import LoaderError, Reason
from model_loader.manifest import Entry, File, Listing, Manifest
from model_loader.paths import checked, conflicts
from model_loader.progress import Log, Progress
from model_loader.report import Report
from model_loader.request import Request
from model_loader.sources import source_of
from model_loader.volume import Workspace

_ARCHIVE = "archive"


def load(request: Request, progress: Progress, log: Log) -> Report:
    """Publish the model, unless it is published already; LoaderError when that cannot be."""
    workspace = Workspace(request.to)
    workspace.prepare()
    with workspace.locked(deadline=progress.deadline, waiting=lambda: log.say("waiting for another loader")):
        published = workspace.published()
        if published is not None and published.uri != request.uri:
            message = f"{request.to} holds the model of another URI: name another folder."
            raise LoaderError(Reason.LOADER_FAILED, message)
        if published is not None and _is_wanted(published, request):
            return _report("Cached", "The model was in the cache already.", published, progress)
        workspace.check_free()
        source = source_of(request)
        try:
            listing = choose(source.listing(), request)
            if published is not None and published.resolution == listing.resolution:
                _check_digest(published, request)
                return _report("Cached", "The model was in the cache already.", published, progress)
            log.say("resolved", uri=listing.resolved_uri, files=len(listing.entries), bytes=listing.size)
            manifest = _fetch(request, listing, source, workspace, progress)
        finally:
            source.close()
        manifest = workspace.publish(manifest)
    return _report("Loaded", f"Loaded {_amount(manifest)} from {manifest.resolved_uri}.", manifest, progress)


def resolve(request: Request, progress: Progress) -> Report:
    """Say what the URI stands for now, and fetch nothing."""
    source = source_of(request)
    try:
        listing = choose(source.listing(), request)
    finally:
        source.close()
    return Report(
        reason="Resolved",
        message=f"{request.uri} stands for {listing.resolved_uri}.",
        uri=request.uri,
        resolved_uri=listing.resolved_uri,
        resolution=listing.resolution,
        bytes=listing.size,
        files=len(listing.entries),
        seconds=progress.seconds,
    )


def choose(listing: Listing, request: Request) -> Listing:
    """Apply the patterns, and check names and limits: before the first byte is fetched."""
    entries = listing.entries if request.extract else tuple(one for one in listing.entries if request.wants(one.path))
    if not entries:
        message = (
            f"{request.uri} holds no file that model.loader.allowPatterns and ignorePatterns choose."
            if listing.entries
            else f"There is no file at {request.uri}. Check model.uri: a folder needs at least one file in it."
        )
        raise LoaderError(Reason.MODEL_NOT_FOUND, message)
    for entry in entries:
        checked(entry.path)
    if (name := conflicts(sorted(entry.path for entry in entries))) is not None:
        message = f"The store lists {name!r} twice, or as a file and as a folder: leave one out with ignorePatterns."
        raise LoaderError(Reason.UNSUPPORTED_KEY, message)
    chosen = replace(listing, entries=entries)
    if len(entries) > request.limits.files:
        raise too_large(f"The model has more than {request.limits.files} files.")
    if chosen.size > request.limits.bytes:
        raise too_large(f"The model has {chosen.size} bytes, and at most {request.limits.bytes} are allowed.")
    if request.extract and len(entries) != 1:
        message = f"model.loader.extract unpacks one archive, and {request.uri} holds {len(entries)} files."
        raise LoaderError(Reason.BAD_URI, message)
    return chosen


def _fetch(request: Request, listing: Listing, source: Source, workspace: Workspace, progress: Progress) -> Manifest:
    progress.total = listing.size if all(entry.size is not None for entry in listing.entries) else None
    # What an earlier loader fetched is there already: the room that it takes is not needed once more.
    there = sum(file.stat().st_size for file in workspace.tree.rglob("*") if file.is_file())
    if listing.size - there > (free := workspace.free_bytes()):
        raise too_large(f"The model has {listing.size} bytes, and the volume has room for {free + there}.")
    fetching = Fetching(source, workspace, request.limits, progress)
    if request.extract:
        files = _unpack(request, listing.entries[0], fetching, workspace)
    else:
        files = fetching.run(listing.entries)
    manifest = Manifest(uri=request.uri, resolved_uri=listing.resolved_uri, resolution=listing.resolution, files=files)
    _check_digest(manifest, request)
    return manifest


def _unpack(request: Request, entry: Entry, fetching: Fetching, workspace: Workspace) -> tuple[File, ...]:
    """Fetch an archive, which is what a digest in the request is about, and put its files in its place."""
    [file] = fetching.run([replace(entry, path=_ARCHIVE)])
    if request.sha256 is not None and file.sha256 != request.sha256:
        raise mismatch("The archive", expected=request.sha256, found=file.sha256)
    archive = workspace.partial / _ARCHIVE
    (workspace.tree / _ARCHIVE).rename(archive)
    try:
        return unpack(archive, workspace.tree, wants=request.wants, limits=request.limits)
    except LoaderError:
        workspace.discard()
        raise
    finally:
        archive.unlink(missing_ok=True)


def _is_wanted(published: Manifest, request: Request) -> bool:
    """Whether the published tree serves without a look at the store, which may be away."""
    if request.resolution is not None and request.resolution != published.resolution:
        return False
    return request.sha256 is None or request.extract or request.sha256 == published.digest


def _check_digest(manifest: Manifest, request: Request) -> None:
    """Compare the tree; a digest that is an archive's was compared with the archive."""
    if request.sha256 is not None and not request.extract and manifest.digest != request.sha256:
        raise mismatch("The model", expected=request.sha256, found=manifest.digest)


def _report(reason: str, message: str, manifest: Manifest, progress: Progress) -> Report:
    return Report(
        reason=reason,
        message=message,
        uri=manifest.uri,
        resolved_uri=manifest.resolved_uri,
        resolution=manifest.resolution,
        digest=manifest.digest,
        bytes=manifest.size,
        files=len(manifest.files),
        seconds=progress.seconds,
    )


def _amount(manifest: Manifest) -> str:
    files = "1 file" if len(manifest.files) == 1 else f"{len(manifest.files)} files"
    return f"{files}, {manifest.size} bytes"
