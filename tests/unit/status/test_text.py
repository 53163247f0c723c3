import pytest

from modelservice_operator.status.text import MAX_QUOTE_CHARS, last_line, normalize, truncate, with_full_stop
from tests.support.pods import HASH, OLD_HASH, new_pod
from tests.support.snapshots import snapshot

SNAPSHOT = snapshot(new_pod(), new_pod().of_revision(OLD_HASH))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05.678Z ready", "ready"),
        ("[2026-01-02 03:04:05 +0000] [7] [ERROR] no", "[7] [ERROR] no"),
        ("2026/01/02 03:04:05 panic: nil", "panic: nil"),
        ("E0102 03:04:05.678901       1 main.go:3] no", "1 main.go:3] no"),
        ("AccessDenied: no (request id: 4442587FB7D0A2F9)", "AccessDenied: no"),
        ("<Code>NoSuchKey</Code><RequestId>ABC</RequestId>", "<Code>NoSuchKey</Code>"),
        ('NoSuchKey {x-amz-request-id: "tx0001"}', "NoSuchKey"),
        ("id 4a1c1a9e-4b0e-4b0c-9c53-2f3b1a7f0d11 gone", "id gone"),
        ("at 0x7f00deadbeef", "at"),
        ('task "9f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c5b4a39281706f5e4d3c2b1a0" died', 'task "" died'),
        ("sha256:" + "ab" * 32, "sha256:" + "ab" * 32),
        ("blake3:" + "ab" * 32, "blake3:" + "ab" * 32),
        ("read udp 198.18.0.4:43210->10.96.0.10:53: i/o timeout", "read udp 10.96.0.10:53: i/o timeout"),
        ("back-off 5m0s restarting", "back-off restarting"),
        ("'/tmp/wgunicorn-8a7sd_x1' of /tmp/tmpab12cd34/x", "'/tmp/wgunicorn-…' of /tmp/tmp…/x"),
        ("getpwuid(): no (request id: 4442587FB7D0A2F9)", "getpwuid(): no"),
        ("took 12.34s", "took …"),
        ("timed out after 30s", "timed out after 30s"),
        ("https://me:secret@store/x", "https://store/x"),
        ("GET https://store/x?X-Amz-Signature=secret: 403", "GET https://store/x: 403"),
        ("\x1b[31mred\x1b[0m\tand\x00blue", "red and blue"),
        (f'pods "iris-{HASH}-" is forbidden', 'pods "iris" is forbidden'),
        (f"iris-{HASH}-x2x7k and iris-{OLD_HASH}-zzzzz of iris-{HASH}", "iris and iris of iris"),
        ("iris-84bdf6c9x7-zzzzz is of an unknown revision", "iris is of an unknown revision"),
        ("Secret iris-credentials and iris-store stay", "Secret iris-credentials and iris-store stay"),
        ("image registry.local:5000/iris:2026-01-02 stays", "image registry.local:5000/iris:2026-01-02 stays"),
    ],
)
def test_normalize_removes_volatile_parts(text: str, expected: str) -> None:
    assert normalize(text, SNAPSHOT) == expected


def test_last_line_skips_empty_lines() -> None:
    assert last_line("first\nsecond\n2026-01-02 03:04:05\n\n", SNAPSHOT) == "second"
    assert last_line("\n", SNAPSHOT) == ""


def test_truncate_and_with_full_stop() -> None:
    assert len(truncate("x" * 999)) == MAX_QUOTE_CHARS
    assert with_full_stop(truncate("x" * 999)).endswith("x…")
    assert (with_full_stop("no"), with_full_stop("no."), with_full_stop("no...")) == ("no.", "no.", "no.")
