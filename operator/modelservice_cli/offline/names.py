"""Names and keys of Kubernetes, and what the API server says of wrong ones (apimachinery, api/validate/content)."""

import re

_MAX_LABEL, _MAX_SUBDOMAIN = 63, 253
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_KEY})?"
_KEY_PARTS = 2


def subdomain_errors(text: str, *, unit: str = "characters") -> list[str]:
    """Return what is wrong with the name of an object (RFC 1123 subdomain)."""
    errors = [_too_long(_MAX_SUBDOMAIN, unit)] if len(text.encode()) > _MAX_SUBDOMAIN else []
    if not re.fullmatch(_SUBDOMAIN, text):
        explained = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must"
            " start and end with an alphanumeric character"
        )
        errors.append(_explain(explained, _SUBDOMAIN, "example.com"))
    return errors


def label_errors(text: str) -> list[str]:
    """Return what is wrong with the name of a namespace (RFC 1123 label)."""
    errors = [_too_long(_MAX_LABEL, "characters")] if len(text.encode()) > _MAX_LABEL else []
    if not re.fullmatch(_LABEL, text):
        explained = (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and"
            " end with an alphanumeric character"
        )
        is_subdomain = re.fullmatch(_SUBDOMAIN, text)
        errors.append("must not contain dots" if is_subdomain else _explain(explained, _LABEL, "my-name", "123-abc"))
    return errors


def dns_1035_label_errors(text: str) -> list[str]:
    """Return what is wrong with the name of a Service (RFC 1035 label)."""
    errors = [_too_long(_MAX_LABEL, "characters")] if len(text.encode()) > _MAX_LABEL else []
    if not re.fullmatch(_DNS_1035, text):
        explained = (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic"
            " character, and end with an alphanumeric character"
        )
        errors.append(_explain(explained, _DNS_1035, "my-name", "abc-123"))
    return errors


def key_errors(text: str) -> list[str]:
    """Return what is wrong with the key of a label or an annotation (qualified name)."""
    explained = (
        "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric"
        " character"
    )
    wrong = _explain(explained, _KEY, "MyName", "my.name", "123-abc")
    parts = text.split("/")
    if len(parts) > _KEY_PARTS:
        return [f"a valid label key {wrong} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    errors: list[str] = []
    if len(parts) == _KEY_PARTS:
        of_prefix = subdomain_errors(parts[0], unit="bytes") if parts[0] else ["must be non-empty"]
        errors += [f"prefix part {message}" for message in of_prefix]
    name = parts[-1]
    if not name:
        errors.append("name part must be non-empty")
    elif len(name.encode()) > _MAX_LABEL:
        errors.append(f"name part {_too_long(_MAX_LABEL, 'bytes')}")
    if not re.fullmatch(_KEY, name):
        errors.append(f"name part {wrong}")
    return errors


def label_value_errors(text: str) -> list[str]:
    """Return what is wrong with the value of a label."""
    errors = [_too_long(_MAX_LABEL, "bytes")] if len(text.encode()) > _MAX_LABEL else []
    if not re.fullmatch(_VALUE, text):
        explained = (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must"
            " start and end with an alphanumeric character"
        )
        errors.append(_explain(explained, _VALUE, "MyValue", "my_value", "12345"))
    return errors


def _too_long(maximum: int, unit: str) -> str:
    return f"must be no more than {maximum} {unit}"


def _explain(explained: str, pattern: str, *examples: str) -> str:
    """Return the sentence of a name that does not match (content.RegexError)."""
    listed = " or ".join(f"'{example}', " for example in examples)
    return f"{explained} (e.g. {listed}regex used for validation is '{pattern}')"
