"""Broken input is repaired where its meaning is plain, with a sentence; otherwise the error names the line."""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from modelservice_cli.convert.conversion import convert
from modelservice_cli.convert.notes import Notes
from modelservice_cli.convert.old_versions import with_current_version
from modelservice_cli.convert.text_repair import plain_placeholder, read_repaired
from modelservice_cli.errors import CliError
from tests.support.migration.generated import generated_input

Object = dict[str, Any]
TUTORIAL = Path(__file__).parents[3] / "support/migration/tutorials/flask-on-port-80.manifest"


def repaired(text: str) -> tuple[list[Any], str]:
    notes = Notes()
    bodies = [document.value for document in read_repaired(text, "file.yaml", notes)]
    return bodies, "\n".join(map(str, notes.items))


def test_valid_text_has_no_notes() -> None:
    assert repaired("a: 1\nb: [x]\n---\na: 2\n") == ([{"a": 1, "b": ["x"]}, {"a": 2}], "")


@pytest.mark.parametrize(
    ("text", "body"),
    [
        (
            "spec:\n  metrics:\n    - type: Resource\n    resource:\n      name: cpu\n",
            {"spec": {"metrics": [{"type": "Resource", "resource": {"name": "cpu"}}]}},
        ),
        ("spec:\n  minReplicas: 1\n   maxReplicas: 5\n", {"spec": {"minReplicas": 1, "maxReplicas": 5}}),
        (
            "metadata:\n  name: iris\n labels:\n    app: iris\n",
            {"metadata": {"name": "iris", "labels": {"app": "iris"}}},
        ),
    ],
    ids=["item", "deeper", "between"],
)
def test_wrong_indentation_is_repaired(text: str, body: Object) -> None:
    bodies, said = repaired(text)
    assert bodies == [body]
    assert "not YAML at line" in said


def test_tabs_and_quotes_of_text_processors_are_read() -> None:
    bodies, said = repaired("spec:\n\timage: \u201ciris\u201d\n")
    assert bodies == [{"spec": {"image": "iris"}}]
    assert "tabs and typographic characters" in said


def test_second_object_without_separator_is_found() -> None:
    bodies, said = repaired("apiVersion: v1\nkind: A\nmetadata: {}\napiVersion: v2\nkind: B\n")
    assert [body["kind"] for body in bodies] == ["A", "B"]
    assert "--- is missing" in said


def test_second_of_equal_keys_counts() -> None:
    bodies, said = repaired("spec:\n  image: old\n  replicas: 1\n  image: new\n")
    assert bodies == [{"spec": {"replicas": 1, "image": "new"}}]
    assert "image is set twice" in said


def test_text_without_meaning_is_an_error_with_its_line() -> None:
    with pytest.raises(CliError, match=r"^file.yaml:\d+: not YAML") as caught:
        repaired("a: [1, 2\nb: {c: \n")
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("${IMAGE}", "IMAGE"),
        ("${IMAGE:-iris:1}", "iris:1"),
        ("gcr.io/$(PROJECT)/iris:{{ .Values.tag }}", "gcr.io/PROJECT/iris:tag"),
        ("<your image>", "your-image"),
        ("%TAG%", "TAG"),
        ("registry.example.com/iris:1", "registry.example.com/iris:1"),
    ],
)
def test_placeholders_become_words(text: str, plain: str) -> None:
    assert plain_placeholder(text) == plain


def current(body: Object) -> tuple[Object, str]:
    notes = Notes()
    return with_current_version(body, notes), "\n".join(map(str, notes.items))


def autoscaler(version: str, **spec: Any) -> Object:
    return {"apiVersion": version, "kind": "HorizontalPodAutoscaler", "metadata": {"name": "iris"}, "spec": spec}


CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 40}}}


@pytest.mark.parametrize(
    "spec",
    [
        {"targetCPUUtilizationPercentage": 40},
        {"metrics": [CPU]},
        {"metrics": [{"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 40}}]},
        {"metrics": [{"type": "Resource"}], "resource": CPU["resource"]},
    ],
    ids=["v1", "v2", "v2beta1", "misplaced"],
)
def test_targets_of_all_versions_are_the_same(spec: Object) -> None:
    body, _ = current(autoscaler("autoscaling/v2beta2", **spec))
    assert body["apiVersion"] == "autoscaling/v2"
    assert body["spec"]["metrics"] == [CPU]


def test_metrics_in_annotations_of_version_1_are_read() -> None:
    body = autoscaler("autoscaling/v1", maxReplicas=3)
    text = '[{"type":"Pods","pods":{"metricName":"rps","targetAverageValue":"10"}}]'
    body["metadata"]["annotations"] = {"autoscaling.alpha.kubernetes.io/metrics": text}
    metric = {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "10"}}
    assert current(body)[0]["spec"]["metrics"] == [{"type": "Pods", "pods": metric}]


def test_served_version_needs_no_sentence() -> None:
    assert current(autoscaler("autoscaling/v1", maxReplicas=3))[1] == ""


def test_selector_that_matches_no_pod_is_repaired() -> None:
    template = {"metadata": {"labels": {"app": "iris"}}, "spec": {"containers": []}}
    spec = {"selector": {"matchLabels": {"app": "rose"}}, "template": template}
    body, said = current({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "iris"}, "spec": spec})
    assert body["spec"]["selector"] == {"matchLabels": {"app": "iris"}}
    assert "the selector app=rose does not match the labels of the pods app=iris" in said


def test_other_kinds_are_not_changed() -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"replicas": "2"}}
    assert current(body) == (body, "")


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each value."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in entries:
        yield (*path, key)
        yield from places(value, (*path, key))


def test_values_of_any_type_are_converted_or_refused() -> None:
    """A wrong value is one sentence, never a traceback: 250 values of generated inputs are replaced by others."""
    random = Random(17)
    converted = 0
    refused = []
    for _ in range(250):
        objects = generated_input(random.randrange(300))
        *above, last = random.choice(list(places(objects)))
        node: Any = objects
        for step in above:
            node = node[step]
        node[last] = random.choice([None, "text", 7, [], {}, True, [None], ["a"], [{}], {"a": 1}, -1, ""])
        try:
            convert(objects)
            converted += 1
        except CliError as error:
            refused.append(str(error))
    assert converted > 50
    assert len(refused) > 50
    assert [message for message in refused if "\n" in message or not message.endswith(".")] == []


def shifted(lines: list[str]) -> Iterator[str]:
    """Yield texts in which one line is indented by one or two spaces more, or by two less."""
    for index, line in enumerate(lines):
        indent = len(line) - len(line.lstrip(" "))
        for by in (-2, 1, 2):
            if line.startswith(("#", "---")) or indent + by < 0:
                continue
            moved = " " * (indent + by) + line.lstrip(" ")
            yield "".join([*lines[:index], moved, *lines[index + 1 :]])


def test_line_with_wrong_indentation_is_moved_back(figure: Callable[[str], None]) -> None:
    """Each line of a tutorial in turn: where the text is not YAML, the objects are the original ones, or an error."""
    bodies, _ = repaired(TUTORIAL.read_text(encoding="utf-8"))
    lines = yaml.safe_dump_all(bodies, sort_keys=False).splitlines(keepends=True)
    counts = Counter[str]()
    for text in shifted(lines):
        try:
            found, said = repaired(text)
        except CliError:
            counts["refused"] += 1
            continue
        if "not YAML at line" in said:
            counts["as it was" if found == bodies else "another meaning"] += 1
    figure(f"from-deployment: one line of a tutorial with a wrong indentation: {dict(counts)}")
    assert counts["as it was"] > 70
    assert counts["another meaning"] + counts["refused"] <= 0.05 * counts["as it was"]
