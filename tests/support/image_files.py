"""Read files of an image that the tests have built."""

import gzip
import io
import json
import tarfile

from tests.environment.images import Image


def read_image_file(image: Image, path: str) -> bytes:
    """Return the content of a file from the topmost layer that has it."""
    with tarfile.open(image.archive) as archive:

        def blob(digest: str) -> bytes:
            member = archive.extractfile(f"blobs/{digest.replace(':', '/')}")
            assert member is not None
            return member.read()

        index = archive.extractfile("index.json")
        assert index is not None
        manifest = json.loads(blob(json.loads(index.read())["manifests"][0]["digest"]))
        for layer in reversed(manifest["layers"]):
            content = blob(layer["digest"])
            plain = gzip.decompress(content) if layer["mediaType"].endswith("gzip") else content
            with tarfile.open(fileobj=io.BytesIO(plain)) as files:
                if path in files.getnames() and (member := files.extractfile(path)) is not None:
                    return member.read()
    raise AssertionError(f"No layer of {image.reference} has {path}.")
