"""Reading of documents: values as kubectl sends them, positions, and errors with file and line."""

import io
from pathlib import Path

import pytest

from modelservice_cli.documents import parse, read
from modelservice_cli.errors import CliError, ExitCode


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", True), ("Yes", True), ("y", True), ("off", False), ("N", False), ("'on'", "on"), ("~", None), ("", None),
        ("1e3", 1000),
        ("2.0", 2), ("1.5", 1.5), (".5", 0.5), ("-.inf", float("-inf")), ("0x1F", 31), ("0b11", 3), ("012", 10),
        ("0o12", 10), ("1_000", 1000), ("0", 0), ("-7", -7), ("+7", 7), ("08", 8), ("1:30", "1:30"),
        ("2024-01-31", "2024-01-31"), ("1.4.0", "1.4.0"), ("500m", "500m"), ("1Gi", "1Gi"), ("<<", "<<"),
    ],
)  # fmt: skip
def test_scalars_are_resolved_as_by_kubectl(text: str, value: object) -> None:
    [document] = parse(f"a: {text}\nb: 1", "-")
    assert document.value["a"] == value
    assert type(document.value["a"]) is type(value)


def test_keys_are_texts() -> None:
    [document] = parse("on: 1\n8080: 2\n1.5: 3", "-")
    assert document.value == {"true": 1, "8080": 2, "1.5": 3}


def test_merge_keys_and_anchors_are_expanded() -> None:
    [document] = parse("base: &b {x: 1, z: 2}\nother:\n  <<: *b\n  z: 3", "-")
    assert document.value["other"] == {"x": 1, "z": 3}


def test_every_document_and_list_item_has_its_lines() -> None:
    text = "# head\na: 1\n---\n---\nkind: List\nitems:\n- kind: A\n  spec:\n    x: [1,\n      2]\n- {kind: B}\n"
    first, second, third = parse(text, "f.yaml")
    assert [one.position() for one in (first, second, third)] == ["f.yaml:2", "f.yaml:7", "f.yaml:11"]
    assert second.position(("spec", "x", 1)) == "f.yaml:10"
    assert second.position(("spec", "x", 7, "y")) == "f.yaml:9"
    assert [one.number for one in (first, second, third)] == [1, 3, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: 2\n", "f.yaml:2: not YAML: while parsing a flow sequence"),
        ("a:\n\tb: 1\n", "f.yaml:2: not YAML: "),
        ("a: 1\nb: {c: 1, c: 2}\n", "f.yaml:2: key 'c' is already set in this object."),
        ("a: *none\n", "f.yaml:1: not YAML: found undefined alias"),
        ("a: \x01\n", "f.yaml: not YAML: "),
        ("a: !!python/object:os.system {}\n", "f.yaml:1: not YAML: could not determine a constructor"),
        ("a: &a [*a]\n", "f.yaml:1: not YAML: an alias contains itself"),
    ],
)
def test_broken_text_is_reported_with_its_line(text: str, message: str) -> None:
    with pytest.raises(CliError) as error:
        parse(text, "f.yaml")
    assert str(error.value).startswith(message)
    assert error.value.code is ExitCode.USAGE
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("depth", [101, 100_000])
@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused(opening: str, depth: int) -> None:
    """Libyaml would overflow the stack of the process."""
    with pytest.raises(CliError, match="nested more than 100 levels deep"):
        parse(opening * depth, "-")


def test_indented_nesting_is_refused() -> None:
    with pytest.raises(CliError, match="-:101: the object is nested more than 100 levels deep"):
        parse("".join(" " * level + "a:\n" for level in range(200)), "-")


def test_aliases_of_aliases_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{one}: &a{one} [{', '.join([f'*a{one - 1}'] * 10)}]" for one in range(1, 9)]
    with pytest.raises(CliError, match="more than 200000 fields"):
        parse("\n".join(lines), "-")


def test_directory_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    for name, text in (("b.yml", "a: 2"), ("a.yaml", "a: 1"), ("c.json", '{"a": 3}'), ("d.txt", "a: 4")):
        (tmp_path / name).write_text(text)
    assert [document.value["a"] for document in read([str(tmp_path)])] == [1, 2, 3]


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbfa: 1")))
    assert [(document.source, document.value) for document in read(["-"])] == [("-", {"a": 1})]


def test_unreadable_files_are_reported(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    for source, message in (
        (str(tmp_path / "none.yaml"), "No such file or directory"),
        (str(tmp_path / "latin.yaml"), "not UTF-8 text, at byte 3"),
        (str(tmp_path / "empty"), "There is no object to read"),
    ):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(CliError, match=message) as error:
            read([source])
        assert error.value.code is ExitCode.USAGE
