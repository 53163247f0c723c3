"""Errors of the loader: a machine-readable reason and a human-readable message."""

from enum import StrEnum


class Reason(StrEnum):
    """Reasons of the report. The operator copies them into the condition ModelLoaded."""

    MODEL_NOT_FOUND = "ModelNotFound"
    ACCESS_DENIED = "AccessDenied"
    INVALID_CREDENTIALS = "InvalidCredentials"
    STORE_QUOTA_EXCEEDED = "StoreQuotaExceeded"
    UNSUPPORTED_KEY = "UnsupportedKey"
    NOT_A_MODEL = "NotAModel"
    DIGEST_MISMATCH = "DigestMismatch"
    TIMEOUT = "Timeout"
    TOO_LARGE = "TooLarge"
    BAD_URI = "BadURI"
    UNREACHABLE = "Unreachable"
    LOADER_FAILED = "LoaderFailed"
    """Any other failure: the disk, or a bug."""


class LoaderError(Exception):
    """Failure that ends the loader. `message` states the cause first, then what to do."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class TransferError(LoaderError):
    """Interrupted transfer, which can be resumed at the offset where it stopped."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.UNREACHABLE, message)
