"""Why a model cannot be loaded, in one word for programs and a sentence for people."""

from enum import StrEnum


class Reason(StrEnum):
    """The closed vocabulary of the report; the operator copies it into the condition ModelLoaded."""

    MODEL_NOT_FOUND = "ModelNotFound"
    ACCESS_DENIED = "AccessDenied"
    INVALID_CREDENTIALS = "InvalidCredentials"
    STORE_QUOTA_EXCEEDED = "StoreQuotaExceeded"
    UNSUPPORTED_KEY = "UnsupportedKey"
    DIGEST_MISMATCH = "DigestMismatch"
    TIMEOUT = "Timeout"
    TOO_LARGE = "TooLarge"
    BAD_URI = "BadURI"
    UNREACHABLE = "Unreachable"
    LOADER_FAILED = "LoaderFailed"
    """Anything else: the disk, or a bug."""


class LoaderError(Exception):
    """What ends the loader. `message` is one sentence, or a few, and says what to do."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class TransferError(LoaderError):
    """A transfer broke off: it is worth another try from where it stopped."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.UNREACHABLE, message)
