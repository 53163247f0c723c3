"""Regions of S3: their hosts, and the redirect to the region of a bucket."""

import re
from collections.abc import Mapping

from model_loader.errors import LoaderError, Reason
from model_loader.redaction import redact_url
from model_loader.sources.identities import read_variable
from model_loader.sources.store_errors import StoreAnswer

_DEFAULT_REGION = "us-east-1"
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_AWS_REGION = re.compile(r"[a-z]{2,8}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}")
"""Form of all regions of AWS. Only such a text becomes a part of a host name."""
_AWS_HOST = re.compile(rf"(?:[a-z0-9.-]+\.)?s3[.-](?P<region>{_AWS_REGION.pattern})\.amazonaws\.com(?:\.cn)?")
_REGION_CODES = frozenset(
    {
        *("AuthorizationHeaderMalformed", "IllegalLocationConstraintException"),
        *("PermanentRedirect", "TemporaryRedirect", "Redirect"),
    }
)


def read_region(environment: Mapping[str, str]) -> str:
    """Return the region for signatures. Raises LoaderError for a text that cannot be one."""
    region = (
        read_variable(environment, "AWS_REGION") or read_variable(environment, "AWS_DEFAULT_REGION") or _DEFAULT_REGION
    )
    if not _REGION.fullmatch(region):
        raise LoaderError(Reason.BAD_URI, f"AWS_REGION is {region[:100]!r}, which is not the name of a region.")
    return region


def build_aws_host(service: str, region: str) -> str:
    """Return the host of a service of AWS in a region. Raises LoaderError for a text that is not a region of AWS."""
    if not _AWS_REGION.fullmatch(region):
        message = (
            f"AWS_REGION is {region[:100]!r}, which is not a region of AWS. For another store, set AWS_ENDPOINT_URL."
        )
        raise LoaderError(Reason.BAD_URI, message)
    return f"{service}.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")


def find_bucket_region(answer: StoreAnswer, region: str, *, is_aws: bool) -> str | None:
    """Return the region for which a request must be signed instead of `region`, or None if the answer names none.

    The request is then sent to the same endpoint, or to that of the region in the same partition of AWS. No URL that
    the store names is ever used.
    """
    found = _named_region(answer)
    pattern = _AWS_REGION if is_aws else _REGION
    if not pattern.fullmatch(found) or found == region:
        return None
    if is_aws and found.startswith("cn-") != region.startswith("cn-"):
        return None
    return found


def other_region_error(answer: StoreAnswer, subject: str, region: str) -> LoaderError | None:
    """Return the error for a bucket in a region whose endpoint is not used; None for any other answer."""
    found = _named_region(answer)
    if not _REGION.fullmatch(found) or found == region:
        return None
    message = f"{redact_url(subject)} is in the region {found}. Set AWS_REGION, and AWS_ENDPOINT_URL if it is used."
    return LoaderError(Reason.UNREACHABLE, message)


def _named_region(answer: StoreAnswer) -> str:
    """Return the region that a store names because a request had another one; empty without such a region."""
    if not answer.is_redirect and answer.code not in _REGION_CODES:
        return ""
    host = _AWS_HOST.fullmatch(answer.redirect_host)
    return answer.headers.get("x-amz-bucket-region") or answer.region or (host["region"] if host else "")
