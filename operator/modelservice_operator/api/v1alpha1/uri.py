"""URI of a model: the schemes, what each of them must name, and what is refused with the right form.

The loader refuses the same URIs (model_loader/uris.py), and checks the parts that these rules do not. The two programs
share no code; tests/unit/loader/test_uris.py compares them.
"""

import re
from collections.abc import Iterable
from typing import Annotated

from pydantic.fields import FieldInfo

from modelservice_operator.api.markers import Rule, cel_rules, string_with_pattern

_SCHEMES = "file|s3|gs|az|abfss?|https?|hf|models|runs|oci|oci[+]artifact|pvc"
_DOWNLOADED_SCHEMES = "s3|gs|az|abfss?|https?|hf|models|runs|oci[+]artifact"
_LOWER_CASE = "must begin with a scheme in lower case, such as s3://BUCKET/PATH"
_FORMS = (
    (f"(?i:{_SCHEMES})", f"^({_SCHEMES}):", _LOWER_CASE),
    ("file", "^file:///.", "must name a file of the image by its absolute path: write file:///PATH"),
    (
        "(s3|gs|az|abfss?)",
        "^[a-z0-9]+://[^/?#]+(/([^/?#][^?#]*)?)?$",
        "must name a bucket, and may name a path in it: write s3://BUCKET/PATH (the same for gs, az and abfs)",
    ),
    ("https?", "^https?://[^/?#]+/[^#]+$", "must name a host and a file on it: write https://HOST/PATH"),
    (
        "hf",
        "^hf://[A-Za-z0-9_][-A-Za-z0-9._]*(/[A-Za-z0-9_][-A-Za-z0-9._]*)?(@[^@]+)?$",
        (
            "must name a Hugging Face repository: write hf://ORGANISATION/REPOSITORY, optionally with @REVISION, and"
            " name files in loader.allowPatterns"
        ),
    ),
    (
        "models",
        "^models:/([^/@]+(/([0-9]+|(?i:latest|none|staging|production|archived))|@[^/@]+)|m-[A-Za-z0-9]+)$",
        (
            "must name a model of MLflow: write models:/NAME/VERSION, models:/NAME@ALIAS, models:/NAME/latest or"
            " models:/m-ID"
        ),
    ),
    ("runs", "^runs:/[A-Za-z0-9][-_A-Za-z0-9]*(/[^/?#][^?#]*)?$", "must name a run of MLflow: write runs:/RUN_ID/PATH"),
    (
        "oci([+]artifact)?",
        "^oci([+]artifact)?://[^/?#@]+/[^?#]+$",
        "must name a registry and a repository: write oci://REGISTRY/NAME:TAG (the same for oci+artifact)",
    ),
    ("pvc", "^pvc://[a-z0-9][-a-z0-9.]*(/[^?#]*)?$", "must name a claim and a directory in it: write pvc://CLAIM/PATH"),
)
"""Scheme, pattern and message. They only check for missing parts; the loader checks the rest."""

_AWS = "([^/?#]*[.])?s3[.-]([^/?#]*[.])?amazonaws[.]com([.]cn)?"
_AWS_CONSOLE = "([^/?#]*[.])?console[.](aws[.]amazon[.]com|amazonaws[.]cn|amazonaws-us-gov[.]com)"
_HUB = "(www[.])?(huggingface[.]co|hf[.]co)"
OTHER_FORMS = (
    (
        (
            "^gcs:|^https?://(storage[.]cloud|console[.]cloud)[.]google[.]com/"
            "|^https?://([^/?#]+[.])?storage[.]googleapis[.]com/[^?#]*/([?]|$)"
        ),
        "must name objects of Google Cloud Storage by bucket: write gs://BUCKET/PATH",
    ),
    (
        f"^s3[an]:|^https?://{_AWS_CONSOLE}/|^https?://{_AWS}/[^?#]*/([?]|$)",
        "must name objects of S3 by bucket: write s3://BUCKET/PATH",
    ),
    (
        "^(minio|r2|b2|oss|cosn?):",
        (
            "must name objects of a store with the API of S3 as s3://BUCKET/PATH: put AWS_ENDPOINT_URL into the Secret"
            " of model.credentials"
        ),
    ),
    (
        (
            "^(wasbs?|adls?|azure|azureml):|^abfss?://[^/?#@]+[.](dfs|blob)[.]core[.]windows[.]net(/|$)"
            "|^https?://portal[.]azure[.]com/"
        ),
        (
            "must name blobs of Azure by container: write az://CONTAINER/PATH, or"
            " abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH"
        ),
    ),
    (
        (
            f"^(huggingface|hf-hub|hf_hub):|^https?://{_HUB}/"
            "([^/?#]+(/[^/?#]+)?/?([?]|$)|[^/?#]+/([^/?#]+/)?(tree|blob|commit)/)"
        ),
        (
            "must name a model of Hugging Face by its repository: write hf://ORGANISATION/REPOSITORY, optionally with"
            " @REVISION"
        ),
    ),
    (
        (
            "^hf:/*(datasets|spaces|buckets)/"
            f"|^https?://{_HUB}/(datasets|spaces|buckets|docs|blog|collections|papers|models|api)/"
        ),
        "must name a model of Hugging Face, not a dataset, a Space or a page: write hf://ORGANISATION/REPOSITORY",
    ),
    (
        "^(mlflow-artifacts|dbfs):|^https?://[^/?#]+/dbfs/",
        (
            "must name a model of MLflow, whose server then reads its own files: write models:/NAME/VERSION or"
            " runs:/RUN_ID/PATH"
        ),
    ),
    (
        "^(docker|docker-daemon|docker-archive|containers-storage|image|modelcar|oras):",
        (
            "must name an image whose directory /models is mounted as oci://REGISTRY/NAME:TAG, or an artifact as"
            " oci+artifact://REGISTRY/NAME:TAG"
        ),
    ),
    (
        "^ollama:|^https?://(registry[.])?ollama[.](ai|com)/",
        "must not name a model of Ollama: write hf://ORGANISATION/REPOSITORY of a repository with the GGUF file",
    ),
    (
        "^[^:]*$|^[./~]|^[A-Za-z]:[/\\\\\\\\]",
        (
            "must have a scheme: write file:///PATH for a file of the image, pvc://CLAIM/PATH for one of a claim, or"
            " hf://ORGANISATION/REPOSITORY for Hugging Face"
        ),
    ),
)
"""Pattern of URIs of other programs, and pages of consoles: a message with the right form."""
_CREDENTIAL_NAMES = (
    "[^=&;]*(token|secret|passw|signature|credential|api[-_]?key|access[-_]?key|accessid|key-pair-id|jwt)[^=&;]*"
    "|x-(amz|goog|oss|cos|obs|ms)-[^=&;]*|q-(sign|ak|signature)[^=&;]*"
    "|sig|sign|key|auth|authorization|bearer|pwd|pass|sas|policy|session|sessionid"
)
_NOT_FOR_EXTRA_MODELS = frozenset({f"(?i:{_SCHEMES})", "file", "oci([+]artifact)?", "pvc"})
_EXTRA_FORMS = (
    (f"(?i:{_DOWNLOADED_SCHEMES})", f"^({_DOWNLOADED_SCHEMES}):", _LOWER_CASE),
    *(form for form in _FORMS if form[0] not in _NOT_FOR_EXTRA_MODELS),
    (
        "oci[+]artifact",
        "^oci[+]artifact://[^/?#@]+/[^?#]+$",
        "must name a registry and a repository: write oci+artifact://REGISTRY/NAME:TAG",
    ),
)
_OTHER_EXTRA_FORMS = tuple(form for form in OTHER_FORMS if not re.search("file:|oci:", form[1]))
"""Those whose right form is downloaded."""


def _uri_rules(
    schemes: str, scheme_message: str, forms: Iterable[tuple[str, str, str]], other_forms: Iterable[tuple[str, str]]
) -> tuple[Rule, ...]:
    other = tuple(other_forms)
    is_other = " || ".join(f"self.matches('{pattern}')" for pattern, _ in other)
    return (
        Rule(f"self.matches('(?i)^({schemes}):') || {is_other}", scheme_message),
        *(Rule(f"!self.matches('^{scheme}:') || self.matches('{form}')", said) for scheme, form, said in forms),
        *(Rule(f"!self.matches('{form}')", said) for form, said in other),
        Rule("!self.split('/').exists(part, part == '..')", "must not contain '..': write the normalized path"),
        Rule(
            "!self.matches('^[a-z0-9+]+://([^/?#]*:)?[^/?#]*@') || self.matches('^(abfss?|wasbs?|hf)://[^/?#:@]*@')",
            "must not contain a user name or password: put them into a Secret and reference it in model.credentials",
        ),
        Rule(
            f"!self.matches('(?i)[?#&;]({_CREDENTIAL_NAMES})=')",
            "must not contain a signature or token: put credentials, or a whole presigned URL as HTTP_URL, into a"
            " Secret and reference it in model.credentials",
        ),
    )


def _uri(*rules: Rule) -> FieldInfo:
    return string_with_pattern(
        r"^[^\s\p{C}]+$",
        "must be a URI without spaces and control characters: percent-encode them (RFC 3986)",
        max_length=2048,
        rules=cel_rules(*rules),
    )


def extra_message(message: str) -> str:
    """Return the message of a rule with the fields of an extra model, which has its own credentials, but no loader."""
    return message.replace("model.credentials", "credentials").replace(
        ", optionally with @REVISION, and name files in loader.allowPatterns", ", optionally with @REVISION"
    )


_URI_RULES = _uri_rules(
    _SCHEMES,
    "must begin with one of file, s3, gs, az, abfs, abfss, https, http, hf, models, runs, oci, oci+artifact and pvc,"
    " followed by ':', such as file:///app/model.joblib",
    _FORMS,
    OTHER_FORMS,
)
_EXTRA_URI_RULES = _uri_rules(
    _DOWNLOADED_SCHEMES,
    "must be downloaded: begin with one of s3, gs, az, abfs, abfss, https, http, hf, models, runs and oci+artifact,"
    " followed by ':', or mount the files with mounts",
    _EXTRA_FORMS,
    _OTHER_EXTRA_FORMS,
)
Uri = Annotated[str, _uri(*_URI_RULES)]
DownloadedUri = Annotated[str, _uri(*(rule._replace(message=extra_message(rule.message)) for rule in _EXTRA_URI_RULES))]
"""URI of an extra model: the same rules, for the schemes that a loader downloads."""
