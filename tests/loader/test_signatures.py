"""Signatures of S3 are those of botocore, which the environment of moto contains."""

import calendar
import json
import random
import subprocess
import time
from typing import Any
from urllib.parse import urlsplit

from model_loader.http_client import host_header
from model_loader.sources.sigv4 import Credentials, encode_key, encode_query, sign_request
from tests.environment.stores.installing import python_tool

_SIGN = """
import json, sys
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
for line in sys.stdin:
    one = json.loads(line)
    request = AWSRequest("GET", one["url"], headers=one["headers"])
    S3SigV4Auth(Credentials(one["key"], one["secret"], one["token"] or None), "s3", one["region"]).add_auth(request)
    print(json.dumps(dict(request.headers.items())))
"""
_CHARACTERS = "abcXYZ019-_.~/ +%&=?#:;@!$'()*,[]{}|^`<>\"\u00e9\u00df\u4e2d\U0001f600"
_REGIONS = ("us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1", "auto", "RegionOne")
_HOSTS = ("https://models.s3.us-east-1.amazonaws.com", "http://127.0.0.1:9000/base/models", "https://store:443/models")


def build_request(source: random.Random) -> dict[str, Any]:
    """Return a request with an odd key, odd parameters, and maybe a session token."""
    key = "".join(source.choices(_CHARACTERS, k=source.randint(1, 40))).strip("/").replace("//", "/")
    names = source.sample(["prefix", "list-type", "continuation-token", "versionId", "max-keys"], source.randint(0, 4))
    parameters = [(name, "".join(source.choices(_CHARACTERS, k=source.randint(0, 20)))) for name in names]
    query = encode_query(parameters)
    url = f"{source.choice(_HOSTS)}/{encode_key(key)}" + (f"?{query}" if query else "")
    headers = source.choice([{}, {"x-amz-request-payer": "requester"}, {"x-amz-checksum-mode": "ENABLED"}])
    return {
        "url": url,
        "headers": headers,
        "key": f"AKIA{source.randint(0, 9999)}",
        "secret": "".join(source.choices("abc/+=XYZ", k=40)),
        "token": source.choice(["", "session/token+=="]),
        "region": source.choice(_REGIONS),
    }


def test_signatures_are_those_of_botocore() -> None:
    source = random.Random(17)
    requests = [build_request(source) for _ in range(300)]
    done = subprocess.run(
        [python_tool("moto") / "python", "-W", "ignore", "-c", _SIGN],
        input="\n".join(json.dumps(one) for one in requests),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(requests)
    for one, expected in zip(requests, answers, strict=True):
        parts = urlsplit(one["url"])
        moment = calendar.timegm(time.strptime(expected["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))
        credentials = Credentials(one["key"], one["secret"], one["token"])
        signed = sign_request(
            host_header(one["url"]),
            parts.path,
            parts.query,
            one["headers"],
            credentials=credentials,
            region=one["region"],
            now=moment,
        )
        assert signed["authorization"].replace(",", ", ") == expected["Authorization"], one
        assert signed.get("x-amz-security-token", "") == expected.get("X-Amz-Security-Token", "")
