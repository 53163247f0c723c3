"""Identities for S3: access keys, the role of a service account by web identity (EKS, IRSA), and EKS Pod Identity.

The credentials of the node are never used: its metadata service has no address here.
"""

import json
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from model_loader.errors import LoaderError, Reason
from model_loader.http_client import HttpClient
from model_loader.request import Request
from model_loader.sources.aws_region import build_aws_host
from model_loader.sources.identities import (
    FixedToken,
    Identity,
    RenewableToken,
    Token,
    choose_identity,
    parse_expiry,
    read_token_file,
    read_variable,
)
from model_loader.sources.identity_agents import has_declared_identity, open_agent_client
from model_loader.sources.sigv4 import Credentials
from model_loader.sources.store import parse_endpoint
from model_loader.sources.store_errors import StoreAnswer
from model_loader.sources.xml_listing import XmlError, parse_xml
from model_loader.text import UnexpectedFormError, text_field

IDENTITIES = (
    Identity("access key", ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("AWS_SESSION_TOKEN",)),
    Identity("web identity", ("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"), ("AWS_ROLE_SESSION_NAME",)),
    Identity("pod identity", ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")),
)
POD_IDENTITY_HOSTS = ("169.254.170.23", "fd00:ec2::23")
"""Addresses of the EKS Pod Identity Agent.

https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
"""
_OK = 200
_RESULT = "AssumeRoleWithWebIdentityResult/Credentials/"
_WANTED = frozenset(f"{_RESULT}{name}" for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"))


def open_credentials(request: Request, http: HttpClient, region: str) -> Token[Credentials | None]:
    """Return the credentials of the identity that the environment contains; None for anonymous requests.

    Raises LoaderError for an incomplete identity.
    """
    environment = request.environment
    if not has_declared_identity(environment):
        environment = {name: text for name, text in environment.items() if not name.startswith("AWS_CONTAINER_")}
    match choose_identity(environment, IDENTITIES):
        case "access key":
            key, secret, session = (
                read_variable(environment, f"AWS_{name}")
                for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
            )
            return FixedToken(Credentials(key, secret, session))
        case "web identity":
            return RenewableToken(lambda: _hide(request, _assume_role(request, http, environment, region)))
        case "pod identity":
            return RenewableToken(lambda: _hide(request, _ask_pod_identity_agent(request, environment)))
        case _:
            return FixedToken(None)


def _hide(request: Request, issued: tuple[Credentials, float]) -> tuple[Credentials | None, float]:
    """Remove issued credentials from all output."""
    for secret in (issued[0].access_key, issued[0].secret_key, issued[0].session_token):
        request.hide(secret)
    return issued


def _assume_role(
    request: Request, http: HttpClient, environment: Mapping[str, str], region: str
) -> tuple[Credentials, float]:
    """Exchange the token of the service account for an access key.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
    """
    role = read_variable(environment, "AWS_ROLE_ARN")
    endpoint = read_variable(environment, "AWS_ENDPOINT_URL_STS") or f"https://{build_aws_host('sts', region)}"
    scheme, host, path = parse_endpoint(endpoint, "AWS_ENDPOINT_URL_STS")
    name = "AWS_WEB_IDENTITY_TOKEN_FILE"
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": role,
        "RoleSessionName": read_variable(environment, "AWS_ROLE_SESSION_NAME") or "model-loader",
        "WebIdentityToken": read_token_file(name, read_variable(environment, name)),
    }
    request.hide(form["WebIdentityToken"])
    with http.post_form(f"{scheme}://{host}{path}/", form) as response:
        if response.status != _OK:
            raise _role_error(StoreAnswer.read(response), role)
        return parse_assumed_role(response.read())


def _role_error(answer: StoreAnswer, role: str) -> LoaderError:
    error = answer.to_error(role)
    if error.reason in {Reason.INVALID_CREDENTIALS, Reason.ACCESS_DENIED}:
        message = (
            f"The role {role!r} was not granted to the service account (HTTP {answer.status} {answer.code}). Check"
        )
        return LoaderError(error.reason, f"{message} the trust policy of the role, and AWS_ROLE_ARN.")
    return error


def parse_assumed_role(body: bytes) -> tuple[Credentials, float]:
    """Parse the answer of the token service. Raises LoaderError."""
    try:
        page = parse_xml([body], root="AssumeRoleWithWebIdentityResponse", wanted=_WANTED)
        fields = {name.removeprefix(_RESULT): text.strip() for name, text in page.fields.items()}
        credentials = Credentials(fields["AccessKeyId"], fields["SecretAccessKey"], fields["SessionToken"])
        return credentials, parse_expiry(fields["Expiration"])
    except (XmlError, KeyError, ValueError, OverflowError):
        raise _unexpected_answer_error("The token service of AWS") from None


def _ask_pod_identity_agent(request: Request, environment: Mapping[str, str]) -> tuple[Credentials, float]:
    url = read_variable(environment, "AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if (host := _parse_host(url)) not in POD_IDENTITY_HOSTS:
        message = f"AWS_CONTAINER_CREDENTIALS_FULL_URI names {host!r}, which is not the EKS Pod Identity Agent."
        raise LoaderError(Reason.INVALID_CREDENTIALS, f"{message} Only {' and '.join(POD_IDENTITY_HOSTS)} are allowed.")
    name = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
    headers = {"authorization": read_token_file(name, read_variable(environment, name))}
    request.hide(headers["authorization"])
    with open_agent_client(request, host) as http, http.get(url, headers, follow_redirects=False) as response:
        if response.status != _OK:
            raise StoreAnswer.read(response).to_error("The EKS Pod Identity Agent")
        return parse_container_credentials(response.read())


def _parse_host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def parse_container_credentials(body: bytes) -> tuple[Credentials, float]:
    """Parse the answer of the EKS Pod Identity Agent. Raises LoaderError."""
    try:
        answer = json.loads(body)
        key, secret, token = (text_field(answer, name) for name in ("AccessKeyId", "SecretAccessKey", "Token"))
        expiry = answer.get("Expiration")
        return Credentials(key, secret, token), parse_expiry(expiry) if isinstance(expiry, str) else time.time() + 3600
    except (UnexpectedFormError, ValueError, RecursionError, OverflowError):
        raise _unexpected_answer_error("The EKS Pod Identity Agent") from None


def _unexpected_answer_error(subject: str) -> LoaderError:
    return LoaderError(Reason.UNREACHABLE, f"{subject} does not answer as it should.")
