"""Signatures of S3 are those of AWS's documentation. tests/loader/test_signatures.py compares them with botocore."""

import calendar

import pytest

from model_loader.sources.sigv4 import Credentials, encode_key, encode_query, sign_request

CREDENTIALS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
MOMENT = calendar.timegm((2013, 5, 24, 0, 0, 0))
REGION = "us-east-1"
EXAMPLES = {
    "lifecycle": ([("lifecycle", "")], "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
    "list": ([("max-keys", "2"), ("prefix", "J")], "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
}


@pytest.mark.parametrize(("parameters", "signature"), EXAMPLES.values(), ids=EXAMPLES)
def test_signature_is_that_of_the_documentation(parameters: list[tuple[str, str]], signature: str) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html."""
    query = encode_query(parameters)
    host = "examplebucket.s3.amazonaws.com"
    headers = sign_request(host, "/", query, {}, credentials=CREDENTIALS, region=REGION, now=MOMENT)
    assert headers["authorization"] == (
        f"AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/{REGION}/s3/aws4_request,"
        f"SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature={signature}"
    )


def test_session_token_is_sent_and_signed() -> None:
    session = Credentials("key", "secret", "session")
    headers = sign_request("host", "/", "", {"range": "bytes=0-1"}, credentials=session, region="eu-west-1")
    assert headers["x-amz-security-token"] == "session"
    assert "x-amz-security-token," in headers["authorization"]
    assert headers["range"] == "bytes=0-1"


def test_credentials_hide_their_secrets() -> None:
    assert "secret" not in repr(Credentials("key", "secret", "secret token"))


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a b+c%20/d~e", "a%20b%2Bc%2520/d~e"),
        ("\u00e9/e\u0301", "%C3%A9/e%CC%81"),
        ("a?b#c&d=e;f:g@h!$'()*,", "a%3Fb%23c%26d%3De%3Bf%3Ag%40h%21%24%27%28%29%2A%2C"),
    ],
)
def test_key_is_encoded_once(key: str, path: str) -> None:
    assert encode_key(key) == path


def test_query_is_sorted_by_its_encoded_names() -> None:
    assert encode_query([("prefix", "a/b c"), ("list-type", "2"), ("marker", "")]) == (
        "list-type=2&marker=&prefix=a%2Fb%20c"
    )
