"""Shared Key of Azure Storage, for requests without a body.

https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping

from model_loader.errors import LoaderError, Reason

_STANDARD_HEADERS = (
    *("content-encoding", "content-language", "content-length", "content-md5", "content-type", "date"),
    *("if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range"),
)
"""Headers whose values are signed in this order, without their names."""


def decode_account_key(text: str) -> bytes:
    """Return the key of a storage account. Raises LoaderError for a key that is not Base64."""
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        message = (
            "The key of the storage account is not Base64. Copy it again into AZURE_STORAGE_ACCOUNT_KEY of the Secret"
            " of model.credentials."
        )
        raise LoaderError(Reason.INVALID_CREDENTIALS, message) from None


def build_authorization(
    account: str, key: bytes, path: str, parameters: Iterable[tuple[str, str]], headers: Mapping[str, str]
) -> str:
    """Return the Authorization header of a GET request.

    `path` is the encoded path of the URL; the names and values of `parameters` are not encoded, and the names of
    `headers` are in lower case.
    """
    lines = ["GET", *(headers.get(name, "") for name in _STANDARD_HEADERS)]
    lines += [f"{name}:{headers[name].strip()}" for name in sorted(headers) if name.startswith("x-ms-")]
    lines.append(f"/{account}{path}")
    lines += [f"{name.lower()}:{value}" for name, value in sorted(parameters)]
    digest = hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).digest()
    return f"SharedKey {account}:{base64.b64encode(digest).decode()}"
