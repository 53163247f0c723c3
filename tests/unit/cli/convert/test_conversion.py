"""from-deployment: what a ModelService cannot say is said by a sentence, for inputs of every kind.

The input and the children have the defaults of the API server here as the tool knows them; the integration test of the
same name compares what a real API server stores.
"""

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from modelservice_cli.convert.conversion import Conversion, Options, convert
from modelservice_cli.convert.notes import Note
from modelservice_cli.convert.smallest import children_of, fingerprint
from tests.support.census import differences as unmet
from tests.support.migration.generated import generated_input
from tests.support.migration.losses import local_forms, objects_without_sentence, silent_losses
from tests.support.migration.public import Trait, input_with, public_manifests, smallest_input, traits

GENERATED = 300
Object = dict[str, Any]


def one(objects: list[Object], **options: Any) -> Conversion:
    """Return the only conversion of an input."""
    [conversion], _ = convert(objects, Options(**options))
    return conversion


def check(objects: list[Object]) -> tuple[int, list[str]]:
    """Return the number of lost values that have a sentence, and everything that has none."""
    conversions, common = convert(objects)
    silent = objects_without_sentence(objects, conversions, common)
    named = 0
    for conversion in conversions:
        count, lost = silent_losses(conversion, *local_forms(conversion))
        named += count
        silent += lost
    return named, silent


@pytest.mark.parametrize("trait", traits(), ids=str)
def test_trait_is_a_field_or_has_a_sentence(trait: Trait) -> None:
    objects = input_with(trait)
    conversions, common = convert(objects)
    [conversion] = conversions
    assert list(unmet(trait.wants, conversion.model_service["spec"], "spec")) == []
    said = "\n".join(map(str, (*conversion.notes, *common)))
    assert trait.says in said
    assert check(input_with(trait))[1] == []


@pytest.mark.parametrize(("number", "objects"), list(public_manifests()), ids=lambda value: str(value)[:3])
def test_public_manifest_loses_nothing_silently(number: str, objects: list[Object]) -> None:
    named, silent = check(objects)
    assert silent == [], number
    assert named > 0


def test_public_manifests_are_those_of_the_census() -> None:
    manifests = dict(public_manifests())
    assert len(manifests) == 66
    assert len({str(trait) for trait in traits()}) == len(traits()) > 90


def test_generated_inputs_lose_nothing_silently(figure: Callable[[str], None]) -> None:
    named, silent, changes = 0, [], Counter[str]()
    for seed in range(GENERATED):
        objects = generated_input(seed)
        conversions, common = convert(objects)
        count, lost = silent_losses(conversions[0], *local_forms(conversions[0]))
        named += count
        silent += [f"seed {seed}: {line}" for line in (*lost, *objects_without_sentence(objects, conversions, common))]
        changes.update(note.change.value for note in conversions[0].notes)
    figure(f"from-deployment: {GENERATED} generated inputs, {named} lost values with a sentence, {len(silent)} without")
    figure(f"from-deployment: sentences by kind: {dict(sorted(changes.items()))}")
    assert silent == []
    assert named > 10 * GENERATED


def test_oracle_finds_what_a_result_loses() -> None:
    """Each field of a result that is removed again must be found, or the comparison would prove nothing."""
    found = missed = 0
    for seed in range(12):
        conversion = one(generated_input(seed))
        before, _ = local_forms(conversion)
        for field in ("args", "command", "env", "mounts", "probes", "nodeSelector", "tolerations", "workingDir"):
            spec = conversion.model_service["spec"]
            if field not in spec:
                continue
            poorer = {
                key: value for key, value in spec.items() if key != field and key not in {"sidecars", "initContainers"}
            }
            service = conversion.model_service | {"spec": poorer}
            broken = replace(conversion, model_service=service, notes=())
            _, all_lost = silent_losses(broken, before, local_forms(broken)[1])
            _, still_lost = silent_losses(replace(conversion, notes=()), before, local_forms(conversion)[1])
            found += len(all_lost) > len(still_lost)
            missed += len(all_lost) <= len(still_lost)
    assert found > 10
    assert missed == 0


def test_sentences_name_their_field() -> None:
    """Without the notes, every difference counts as silent."""
    conversion = one(generated_input(3))
    differences = conversion.differences()
    assert len(differences) > 20
    assert replace(conversion, notes=()).silent(differences) == differences
    assert conversion.silent(differences) == []


def test_result_is_as_small_as_possible() -> None:
    """No field of a result can be left out without another child."""
    conversion = one(input_with(*traits()[:24]))
    name, spec = conversion.model_service["metadata"]["name"], conversion.model_service["spec"]
    for field in spec:
        if field == "image":
            continue
        poorer = {key: value for key, value in copy.deepcopy(spec).items() if key != field}
        assert fingerprint(children_of(name, poorer)) != fingerprint(conversion.children), field


def test_smallest_input_is_three_fields() -> None:
    conversion = one(smallest_input())
    assert conversion.model_service == {
        "apiVersion": "modelservice.dev/v1alpha1",
        "kind": "ModelService",
        "metadata": {"name": "petals"},
        "spec": {"image": "registry.example.com/petals:1.0", "containerPort": 8000},
    }


def test_input_is_not_changed() -> None:
    objects = generated_input(7)
    before = copy.deepcopy(objects)
    convert(objects)
    assert objects == before


def test_conversion_is_deterministic() -> None:
    first, second = (convert(generated_input(5)) for _ in range(2))
    assert [item.model_service for item in first[0]] == [item.model_service for item in second[0]]
    assert [item.notes for item in first[0]] == [item.notes for item in second[0]]


def test_kept_defaults_are_those_of_kubernetes() -> None:
    spec = one(smallest_input(), keep_defaults=True).model_service["spec"]
    assert spec["rollout"] == {"revisionHistoryLimit": 10, "maxSurge": "25%", "maxUnavailable": "25%",
                               "progressDeadlineSeconds": 600}  # fmt: skip
    assert spec["terminationGracePeriodSeconds"] == 30
    assert spec["enableServiceLinks"] is True
    assert spec["writableRootFilesystem"] is True
    assert spec["resources"] == {}
    assert spec["serviceAccountName"] == "default"


def test_kept_defaults_leave_less_to_say() -> None:
    def changes(notes: tuple[Note, ...]) -> int:
        return sum(note.change.value == "changed" for note in notes)

    kept, usual = one(smallest_input(), keep_defaults=True), one(smallest_input())
    assert changes(kept.notes) < changes(usual.notes) - 4


def test_options_name_the_result() -> None:
    conversion = one(smallest_input(), name="iris", image="registry.example.com/iris:2")
    assert conversion.model_service["metadata"]["name"] == "iris"
    assert conversion.model_service["spec"]["image"] == "registry.example.com/iris:2"
    # Clients keep the DNS name.
    assert conversion.model_service["spec"]["service"] == {"name": "petals"}


def test_rules_of_the_schema_decide_at_the_end() -> None:
    """A judge may refuse what the types accept: the field is left out with its sentence."""

    def refusals(spec: Object) -> list[tuple[tuple[str | int, ...], str]]:
        return [(("podLabels",), "no labels today")] if "podLabels" in spec else []

    objects = smallest_input()
    objects[0]["spec"]["template"]["metadata"]["labels"]["team"] = "flowers"
    [conversion], _ = convert(objects, refusals=refusals)
    assert "podLabels" not in conversion.model_service["spec"]
    assert any("no labels today" in note.text for note in conversion.notes)
    assert any(note.covers("Deployment/petals", "spec.template.metadata.labels[team]") for note in conversion.notes)


def test_references_to_the_model_server_have_its_name() -> None:
    objects = smallest_input()
    pod = objects[0]["spec"]["template"]["spec"]
    reference = {"resourceFieldRef": {"containerName": "server", "resource": "limits.cpu"}}
    pod["containers"][0]["env"] = [{"name": "CPUS", "valueFrom": copy.deepcopy(reference)}]
    pod["containers"].append({"name": "proxy", "image": "registry.example.com/proxy:1", "env": copy.deepcopy(
        pod["containers"][0]["env"])})  # fmt: skip
    spec = one(objects).model_service["spec"]
    renamed = {"resourceFieldRef": {"containerName": "model", "resource": "limits.cpu"}}
    assert spec["env"] == spec["sidecars"][0]["env"] == [{"name": "CPUS", "valueFrom": renamed}]
