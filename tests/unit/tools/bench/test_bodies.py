import json
from pathlib import Path

import pytest
from bench.bodies import CHILDREN, NAME, NAMESPACE, UID, children_of, children_template, fill_template, model_service
from bench.peers import __file__ as peers
from bench.rounds import difference

from modelservice_operator.resources.metadata import HASH_ANNOTATION


def test_filled_template_equals_the_operators_children() -> None:
    stored = model_service("iris", "ml", replicas=1)
    stored["metadata"] |= {"uid": "0-1", "generation": 1}

    own = json.loads(json.dumps(children_of(stored)))
    of_peers = json.loads(fill_template(children_template(), name="iris", namespace="ml", uid="0-1"))

    for child in CHILDREN:
        assert len(own[child]["metadata"]["annotations"].pop(HASH_ANNOTATION)) == len(
            of_peers[child]["metadata"]["annotations"].pop(HASH_ANNOTATION)
        )
    assert of_peers == own


@pytest.mark.parametrize("file", ["raw_client.py", "tutorial_operator.py"])
def test_peers_know_the_placeholders(file: str) -> None:
    code = (Path(peers).parent / file).read_text()

    assert all(f'"{placeholder}"' in code for placeholder in (NAME, NAMESPACE, UID))


@pytest.mark.parametrize("replicas", [0, 1])
def test_template_depends_only_on_replicas(replicas: int) -> None:
    stored = model_service("iris", "ml", replicas=replicas)
    stored["metadata"] |= {"uid": "0-1", "generation": 1}
    children = json.loads(json.dumps(children_of(stored)))

    assert children["deployment"]["spec"].pop("replicas") == replicas
    assert children["autoscaler"]["spec"].pop("minReplicas") == replicas
    expected = json.loads(fill_template(children_template(), name="iris", namespace="ml", uid="0-1"))
    assert all(difference(children[child]["spec"], expected[child]["spec"], child) is None for child in CHILDREN)


@pytest.mark.parametrize(
    ("want", "have", "where"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, None),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "x.a.b"),
        ([1, {"c": 3}], [1, {}], "x[1].c"),
        ([1], [1, 2], "x"),
        ({"a": 1}, [], "x"),
        ([1], {}, "x"),
    ],
)
def test_difference_names_its_path(want: object, have: object, where: str | None) -> None:
    assert difference(want, have, "x") == where
