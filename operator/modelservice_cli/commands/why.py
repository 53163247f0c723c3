"""Explain why a ModelService is not as its spec says: the cause, the evidence, and the next command or patch.

`--apply` carries out the first fix that is safe: one that takes back a setting of another client, or changes the spec
of a ModelService without a ready replica by what the cause names. It says what it did. Commands for other fixes are
printed to be copied; replace the words in capitals.

The exit code is 0 if there is nothing to explain, otherwise 1; with --apply, 0 if a fix was applied.

Examples:
  modelservice why iris
  modelservice why iris --apply
  modelservice why iris -o json
"""

import argparse
import json
import sys
from collections.abc import Callable

from modelservice_cli.arguments import add_cluster, add_output
from modelservice_cli.cluster.connection import Cluster
from modelservice_cli.cluster.failures import ApiError
from modelservice_cli.cluster.family import Family, label
from modelservice_cli.commands.shared import add_name, now, program_name, read_named_family
from modelservice_cli.errors import CliError, ExitCode
from modelservice_cli.output import Style, paint, to_yaml
from modelservice_cli.view import pods
from modelservice_cli.view.conditions import problems
from modelservice_cli.view.fixes import NEEDED_FACTS, Facts, Fix
from modelservice_cli.view.listing import replicas_text
from modelservice_cli.view.why import Explanation, explain
from modelservice_operator.apimachinery.kinds import POD, ResourceKind
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.apimachinery.well_known import TEMPLATE_HASH

NODE = ResourceKind(group="", version="v1", kind="Node", plural="nodes")
QUOTA = ResourceKind(group="", version="v1", kind="ResourceQuota", plural="resourcequotas")
LIMIT_RANGE = ResourceKind(group="", version="v1", kind="LimitRange", plural="limitranges")
_LOG_LINES = "40"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_name(parser)
    add_cluster(parser)
    add_output(parser, ("table", "json", "yaml"))
    parser.add_argument(
        "--apply", action="store_true", help="carry out the first fix if it is safe, and say what it did"
    )


def run(options: argparse.Namespace) -> int:
    """Print the explanation."""
    with Cluster.connect(options) as cluster:
        family = read_named_family(cluster, options.name)
        explanation = explain(family, read_facts(cluster, family), now(), program=program_name())
        if explanation is None:
            return _print_healthy(family, options.output)
        if options.output == "table":
            _print(explanation)
        if options.apply:
            return _apply(cluster, family, explanation, options.output)
    if options.output != "table":
        _print_document(explanation.to_json(), options.output)
    return ExitCode.NEGATIVE


def read_facts(cluster: Cluster, family: Family) -> Facts:
    """Read what the rules for the first problem need. What the user may not read is left out."""
    found = problems(family.service)
    needed = NEEDED_FACTS.get(found[0].reason, ()) if found else ()
    namespace = family.namespace
    return Facts(
        nodes=_read(lambda: list(cluster.list(NODE, namespace=""))) if "nodes" in needed else (),
        quotas=_read(lambda: list(cluster.list(QUOTA, namespace=namespace))) if "quotas" in needed else (),
        limit_ranges=_read(lambda: list(cluster.list(LIMIT_RANGE, namespace=namespace)))
        if "limit_ranges" in needed
        else (),
        log=_read_log(cluster, family) if "log" in needed else "",
    )


def _read(read: Callable[[], list[Object]]) -> tuple[Object, ...]:
    try:
        return tuple(read())
    except ApiError:
        return ()


def _read_log(cluster: Cluster, family: Family) -> str:
    """Return the end of the log of an unready pod of the newest revision; of the run that crashed, if there is one."""
    current = [
        pod for pod in family.pods if label(pod, TEMPLATE_HASH) == family.current_hash and not pods.is_ready(pod)
    ]
    for pod in reversed(current):
        path = POD.path(namespace=family.namespace, name=pod["metadata"]["name"], subresource="log")
        crashed = pods.restarts(pod) > 0
        for previous in ("true", "false") if crashed else ("false",):
            try:
                query = {"container": pods.MODEL_CONTAINER, "tailLines": _LOG_LINES, "previous": previous}
                if text := cluster.request_text("GET", path, query=query):
                    return text
            except ApiError:
                continue
    return ""


def _print_healthy(family: Family, output: str) -> int:
    if output != "table":
        print("{}")
    else:
        print(f"{family.name} is ready: {replicas_text(family.status)} replicas. There is nothing to explain.")
    return ExitCode.OK


def _print(explanation: Explanation) -> None:
    problem = explanation.problem
    since = f" for {explanation.since}" if explanation.since else ""
    kind = f" ({problem.kind})" if problem.kind else ""
    print(f"{paint(problem.reason, Style.WARNING if problem.is_waiting else Style.BAD)}{since}{kind}")
    print(f"  {' '.join(problem.message.split())}")
    if explanation.evidence:
        print(f"\n{paint('Evidence', Style.HEADING)}")
        width = max(len(one.source) for one in explanation.evidence)
        for one in explanation.evidence:
            print(f"  {one.source:<{width}}  {one.text}")
    print(f"\n{paint('Next', Style.HEADING)}")
    for fix in explanation.fixes:
        _print_fix(fix)
    for other in explanation.others:
        print(f"\nAlso {other.kind}={other.reason}: {' '.join(other.message.split())}")


def _print_fix(fix: Fix) -> None:
    print(f"  {fix.text}")
    for command in fix.commands:
        print(f"    {paint(command, Style.NOTE)}")
    if fix.change is not None:
        print("    (--apply does this)")
    elif fix.caution:
        print(f"    (not applied by --apply: {fix.caution.rstrip('.')})")


def _apply(cluster: Cluster, family: Family, explanation: Explanation, output: str) -> int:
    """Carry out the first fix. A later one is for the case that the first is not the right one."""
    fix = explanation.fixes[0]
    if fix.change is None:
        raise CliError(f"Nothing was changed, because it would not be safe: {fix.caution.rstrip('.')}.")
    change = fix.change
    body = change.body
    if isinstance(body, dict) and change.kind.kind == "ModelService":
        # Another change since the read would make the patch wrong, above all that of a list.
        body = {**body, "metadata": {"resourceVersion": family.service["metadata"]["resourceVersion"]}}
    cluster.patch(
        change.kind, change.name, body, namespace=family.namespace, subresource=change.subresource,
        content_type=change.content_type,
    )  # fmt: skip
    if output == "table":
        shown = json.dumps(change.body, ensure_ascii=False)
        done = f"Applied: {fix.text} Patched {change.kind.kind} {family.namespace}/{change.name}: {shown}"
        print(f"\n{paint(done, Style.GOOD)}")
        print(f"  Then: {program_name()} wait {family.name} -n {family.namespace}")
    else:
        applied = {"kind": change.kind.kind, "name": change.name, "patch": change.body}
        _print_document({**explanation.to_json(), "applied": applied}, output)
    return ExitCode.OK


def _print_document(document: Object, output: str) -> None:
    sys.stdout.write(
        to_yaml(document) if output == "yaml" else f"{json.dumps(document, indent=2, ensure_ascii=False)}\n"
    )
