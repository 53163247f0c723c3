"""Prose of Markdown, Python and manifests, with the lines that it comes from."""

import pytest

from tests.environment.prose.extract import Kind, Passage, passages


def texts(path: str, source: str) -> list[tuple[Kind, str]]:
    return [(passage.kind, passage.text) for passage in passages(path, source)]


def the_one(path: str, source: str) -> Passage:
    [passage] = passages(path, source)
    return passage


class TestMarkdown:
    """Paragraphs of Markdown."""

    def test_paragraphs_headings_items_and_rows_are_passages(self) -> None:
        source = (
            "# Title\nA paragraph\nof two lines.\n\n- one\n- two\n  continued\n1. three\n| a | b |\n| --- | --- |\n"
        )
        assert [text for _, text in texts("a.md", source)] == [
            "# Title",
            "A paragraph of two lines.",
            "- one",
            "- two continued",
            "1. three",
            "| a | b |",
            "| --- | --- |",
        ]

    def test_code_spans_and_link_targets_are_left_out(self) -> None:
        assert the_one("a.md", "Run `kubectl alone` as [told](docs/alone.md).\n").text == "Run `x` as [told]."

    def test_only_comments_of_code_blocks_are_read(self) -> None:
        source = "```console\nmake demo    # a real cluster\nmake alone\n```\nafter\n"
        assert texts("a.md", source) == [(Kind.COMMENT, "a real cluster"), (Kind.MARKDOWN, "after")]

    def test_phrase_across_lines_of_a_quotation_is_in_one_passage(self) -> None:
        assert the_one("a.md", "> goes on by\n> itself\n").text == "goes on by itself"

    def test_line_is_the_line_of_the_phrase(self) -> None:
        passage = the_one("a.md", "\n\nfirst line\nsecond   line\n")
        assert [passage.line_at(passage.text.index(word)) for word in ("first", "line", "second")] == [3, 3, 4]


class TestPython:
    """Docstrings, comments and string literals."""

    def test_docstrings_comments_and_strings_are_read(self) -> None:
        source = (
            '"""Module."""\nLIMIT = 3  # why three\n"""Attribute."""\n# two\n# lines\nraise E("no room", key="x")\n'
        )
        assert texts("a.py", source) == [
            (Kind.COMMENT, "why three"),
            (Kind.COMMENT, "two lines"),
            (Kind.DOCSTRING, "Module."),
            (Kind.DOCSTRING, "Attribute."),
            (Kind.STRING, "no room"),
        ]

    @pytest.mark.parametrize("comment", ["# noqa: S101", "# type: ignore[arg-type]", "#!/usr/bin/env python3"])
    def test_directives_are_not_prose(self, comment: str) -> None:
        assert texts("a.py", f"{comment}\nx = 1\n") == []

    def test_reason_before_a_directive_is_read(self) -> None:
        assert texts("a.py", "import x  # read at start  # noqa: F401\n") == [(Kind.COMMENT, "read at start")]

    def test_f_string_is_one_passage_with_placeholders(self) -> None:
        source = "f'{kind} {name} was {e or \"not found\"} there'\n"
        assert sorted(texts("a.py", f"x = {source}")) == [
            (Kind.STRING, "not found"),
            (Kind.STRING, "{} {} was {} there"),
        ]

    def test_concatenated_literal_is_one_passage_with_its_lines(self) -> None:
        source = 'x = error(\n    "one that ends "\n    f"here {x} and"\n    " goes further"\n)\n'
        passage = the_one("a.py", source)
        assert passage.text == "one that ends here {} and goes further"
        assert [passage.line_at(passage.text.index(word)) for word in ("ends", "here", "further")] == [2, 3, 4]

    def test_phrase_across_a_line_break_is_in_one_passage(self) -> None:
        passage = the_one("a.py", '"""Not at\nonce.\n\nLast.\n"""\n')
        assert passage.text == "Not at once. Last."
        assert [passage.line_at(passage.text.index(word)) for word in ("at", "once", "Last")] == [1, 2, 4]

    def test_words_without_a_space_are_no_prose(self) -> None:
        assert texts("a.py", 'x = "spec.alone"\ny = b"left alone"\n') == []


class TestManifests:
    """Descriptions and messages of YAML."""

    def test_descriptions_messages_and_comments_are_read(self) -> None:
        source = (
            "# Why it is here.\n"
            "spec:\n"
            "  description: Number of replicas.\n"
            "  rules:\n"
            "  - message: must be positive  # as in core/v1\n"
            "    messageExpression: \"'no ' + self\"\n"
            "    other: not read\n"
        )
        assert texts("a.yaml", source) == [
            (Kind.COMMENT, "Why it is here."),
            (Kind.COMMENT, "as in core/v1"),
            (Kind.DESCRIPTION, "Number of replicas."),
            (Kind.MESSAGE, "must be positive"),
            (Kind.MESSAGE, "'no ' + self"),
        ]

    def test_repeated_description_is_one_passage(self) -> None:
        source = "a: {description: Same text.}\nb: {description: Same text.}\n"
        assert the_one("a.yaml", source).line_at(0) == 1

    def test_several_documents_and_a_property_called_description(self) -> None:
        source = "description: {type: string}\n---\n---\ndescription: Second.\n"
        assert the_one("a.yaml", source).line_at(0) == 4


def test_comments_of_configuration_files_are_read() -> None:
    assert texts("Makefile", "a: b  # because\n# of\n# this\n\techo '#1'\n") == [
        (Kind.COMMENT, "because"),
        (Kind.COMMENT, "of this"),
    ]


def test_unknown_files_have_no_prose() -> None:
    assert texts("a.json", '{"description": "left alone"}') == []
