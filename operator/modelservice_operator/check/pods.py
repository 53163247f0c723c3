"""Explains containers that cannot start: an image that cannot be pulled, a process that ends. Pure."""

from collections.abc import Iterator

from modelservice_operator.apimachinery.objects import Json, NamespacedName, Object, key_of
from modelservice_operator.apimachinery.text import sanitize
from modelservice_operator.check.facts import Facts, Unreadable
from modelservice_operator.check.findings import Finding, FindingID, error, ok, unreadable
from modelservice_operator.resources.metadata import is_loader_name
from modelservice_operator.status.containers import IMAGE_PULL_REASONS

_MAX_MESSAGE_CHARS = 300


def explain_pods(deployment: NamespacedName, pods: tuple[Object, ...]) -> Iterator[Finding]:
    """Yield why containers of the operator do not run; each reason once."""
    found: dict[Finding, None] = {}
    for pod in pods:
        for status in (pod.get("status") or {}).get("containerStatuses") or ():
            finding = _explain_container(deployment, status)
            found |= {finding: None} if finding is not None else {}
    yield from found


def _explain_container(deployment: NamespacedName, status: Json) -> Finding | None:
    waiting = (status.get("state") or {}).get("waiting") or {}
    namespace, name = deployment
    if waiting.get("reason") in IMAGE_PULL_REASONS:
        text = f"Deployment {deployment}: the image {status['image']} cannot be pulled{_quote(waiting)}."
        fix = f"kubectl -n {namespace} set image deployment/{name} operator=REGISTRY/operator:TAG"
        return error(FindingID.OPERATOR_IMAGE, text, fix)
    if waiting.get("reason") == "CrashLoopBackOff":
        code = ((status.get("lastState") or {}).get("terminated") or {}).get("exitCode")
        text = f"Deployment {deployment}: the operator ended with exit code {code}, and is started again with a delay."
        return error(FindingID.OPERATOR_CRASHING, text, f"kubectl -n {namespace} logs deployment/{name} --previous")
    return None


def _quote(waiting: Json) -> str:
    message = " ".join(sanitize(waiting.get("message") or "", _MAX_MESSAGE_CHARS).split()).rstrip(".")
    return f": {message}" if message else ""


def check_loader_image(facts: Facts) -> Iterator[Finding]:
    """Yield whether nodes can pull the image of the loader, as far as existing pods show it."""
    pods = facts.model_pods
    if isinstance(pods, Unreadable):
        yield unreadable(FindingID.LOADER_IMAGE_UNREADABLE, "the pods of ModelServices", pods.reason, facts.user)
        return
    problems = list(dict.fromkeys(problem for pod in pods for problem in _explain_loaders(pod)))
    yield from problems
    pulled = {status["image"] for pod in pods for status in _loaders(pod) if status.get("imageID")}
    for image in dict.fromkeys(one.arguments.loader_image for one in facts.installs if one.arguments.loader_image):
        if any(image in pulled_image for pulled_image in pulled):
            yield ok(FindingID.LOADER_IMAGE, f"Nodes have pulled the image of the loader: {image}.")
        elif not problems:
            text = f"Whether nodes can pull the image of the loader, {image}, is only known once a pod has used it."
            yield ok(FindingID.LOADER_IMAGE, text)


def _loaders(pod: Object) -> list[Json]:
    statuses = (pod.get("status") or {}).get("initContainerStatuses") or ()
    return [status for status in statuses if is_loader_name(status["name"])]


def _explain_loaders(pod: Object) -> Iterator[Finding]:
    for status in _loaders(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in IMAGE_PULL_REASONS:
            key = key_of(pod)
            text = f"The image of the loader, {status['image']}, cannot be pulled in namespace {key.namespace}"
            fix = f"kubectl -n {key.namespace} describe pod {key.name}"
            yield error(FindingID.LOADER_IMAGE_PULL, f"{text}{_quote(waiting)}.", fix)
            return
