"""Judges the installs of the operator: do they run, are they of this version, does one Lease elect one leader? Pure."""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

from modelservice_operator.apimachinery.objects import NamespacedName
from modelservice_operator.apimachinery.versions import parse_version
from modelservice_operator.check.facts import Facts, LeaseState, Unreadable
from modelservice_operator.check.findings import Finding, FindingID, error, ok, unreadable, warning
from modelservice_operator.check.fixes import INSTALL
from modelservice_operator.check.operators import Install, overlap
from modelservice_operator.check.pods import explain_pods
from modelservice_operator.settings import LEASE_NAME


def check_operators(facts: Facts) -> Iterator[Finding]:
    """Yield what is so about each Deployment of the operator."""
    if facts.installs_unreadable is not None:
        where = f"in namespace {facts.scope}" if facts.scope else "in other namespaces"
        reason = facts.installs_unreadable.reason
        yield unreadable(FindingID.OPERATOR_UNREADABLE, f"the operators {where}", reason, facts.user)
    elif not facts.installs and not _outside(facts):
        where = f" in namespace {facts.scope}" if facts.scope else ""
        text = f"No Deployment of the operator exists{where}: ModelServices are not served."
        yield error(FindingID.OPERATOR_MISSING, text, INSTALL)
    for install in facts.installs:
        problems = [*_check_deployment(install, facts), *_check_version(install, facts)]
        yield from problems or [ok(FindingID.OPERATOR, _describe(install))]
    for lease in _outside(facts):
        text = f"An operator runs outside of the known Deployments: {lease.holder} holds Lease {lease.key}."
        yield warning(
            FindingID.OPERATOR_OUTSIDE, text, f"kubectl -n {lease.key.namespace} get lease {lease.key.name} -o yaml"
        )


def _describe(install: Install) -> str:
    return (
        f"{install} serves {_name_namespaces(install.arguments.namespaces)}: {install.ready_replicas} of"
        f" {install.replicas} pods are ready, image {install.image}."
    )


def _name_namespaces(namespaces: tuple[str, ...]) -> str:
    return f"namespace {', '.join(namespaces)}" if namespaces else "all namespaces"


def _check_deployment(install: Install, facts: Facts) -> Iterator[Finding]:
    namespace, name = install.key
    if install.arguments_error:
        text = f"{install} has arguments that the operator does not accept: {install.arguments_error}."
        yield error(FindingID.OPERATOR_ARGUMENTS, text, f"kubectl -n {namespace} edit deployment {name}")
    pods = facts.pods.get(install.key, ())
    if isinstance(pods, Unreadable):
        yield unreadable(FindingID.OPERATOR_UNREADABLE, f"the pods of {install}", pods.reason, facts.user)
    else:
        yield from explain_pods(install.key, pods)
    if install.replicas == 0:
        text = f"{install} is scaled to 0: ModelServices are not served."
        yield error(FindingID.OPERATOR_NOT_READY, text, f"kubectl -n {namespace} scale deployment {name} --replicas=2")
    elif install.ready_replicas < install.replicas:
        text = f"{install}: {install.ready_replicas} of {install.replicas} pods are ready."
        judge = warning if install.ready_replicas else error
        yield judge(FindingID.OPERATOR_NOT_READY, text, f"kubectl -n {namespace} describe deployment {name}")


def _check_version(install: Install, facts: Facts) -> Iterator[Finding]:
    """Yield a finding if the operator is of another version than this program, and hence than the CRD should be."""
    lease = facts.leases.get(install.arguments.lease) if install.arguments.lease is not None else None
    written = lease.version if isinstance(lease, LeaseState) and lease.holder else ""
    for source, version in (("its image has the tag", install.image_version), ("its leader has the version", written)):
        if version and parse_version(version) != parse_version(facts.version):
            text = f"{install}: {source} {version}, and this program has the version {facts.version}."
            command = "modelservice-operator check"
            fix = f"kubectl -n {install.key.namespace} exec deployment/{install.key.name} -- {command}"
            yield warning(FindingID.OPERATOR_VERSION, text, fix)
            return


def _outside(facts: Facts) -> list[LeaseState]:
    """Return the Leases that are held, and belong to no Deployment."""
    known = {install.arguments.lease for install in facts.installs}
    leases = (one for one in facts.leases.values() if isinstance(one, LeaseState))
    return [one for one in leases if one.key not in known and one.holder and one.is_fresh]


def check_leaders(facts: Facts) -> Iterator[Finding]:
    """Yield who leads each install."""
    for install in facts.installs:
        if not install.arguments_error:
            yield _check_leader(install, facts)


def _check_leader(install: Install, facts: Facts) -> Finding:
    key = install.arguments.lease
    if key is None:
        return _election_off(install)
    lease = facts.leases.get(key)
    fix = f"kubectl -n {install.key.namespace} logs deployment/{install.key.name} --all-pods --tail=50"
    if isinstance(lease, Unreadable):
        return unreadable(FindingID.LEADER_UNREADABLE, f"Lease {key}", lease.reason, facts.user)
    if lease is None or not lease.holder:
        text = f"{install} has no leader: {'no pod holds' if lease else 'there is no'} Lease {key}."
        return error(FindingID.LEADER_MISSING, f"{text} Only a leader reconciles ModelServices.", fix)
    if not lease.is_fresh:
        text = f"{install} has no leader: {lease.holder} has not renewed Lease {key} in time."
        return error(FindingID.LEADER_STALE, f"{text} Only a leader reconciles ModelServices.", fix)
    version = f", version {lease.version}" if lease.version else ""
    return ok(FindingID.LEADER, f"{lease.holder} leads {install} (Lease {key}{version}).")


def _election_off(install: Install) -> Finding:
    namespace, name = install.key
    if install.replicas <= 1:
        text = f"{install} has no leader election: during a rollout, two pods write at the same time."
        judge = warning
    else:
        text = f"{install} has {install.replicas} replicas and no leader election: all of them write at the same time."
        judge = error
    patch = (
        '[{"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"--lease-namespace=$(POD_NAMESPACE)"}]'
    )
    fix = f"kubectl -n {namespace} patch deployment {name} --type=json -p '{patch}'"
    return judge(FindingID.LEADER_ELECTION_OFF, text, fix)


class _Server(NamedTuple):
    """An operator and what it serves."""

    name: str
    namespaces: tuple[str, ...]
    lease: NamespacedName | None
    fix: str


def check_overlap(facts: Facts) -> Iterator[Finding]:
    """Yield each pair of operators that serve the same namespaces without a common Lease."""
    for one, other in combinations(_servers(facts), 2):
        if overlap(one.namespaces, other.namespaces) and (one.lease is None or one.lease != other.lease):
            shared = set(one.namespaces) & set(other.namespaces) or {*one.namespaces, *other.namespaces}
            text = (
                f"{one.name} and {other.name} both serve {_name_namespaces(tuple(sorted(shared)))}, with different"
                " Leases: both write the same objects. Remove one, or restrict both to other namespaces."
            )
            yield error(FindingID.INSTALLS_OVERLAP, text, other.fix)


def _servers(facts: Facts) -> Iterator[_Server]:
    for install in facts.installs:
        if install.replicas and not install.arguments_error:
            fix = f"kubectl -n {install.key.namespace} delete deployment {install.key.name}"
            yield _Server(str(install), install.arguments.namespaces, install.arguments.lease, fix)
    for lease in _outside(facts):
        suffix = lease.key.name.removeprefix(LEASE_NAME).removeprefix("-")
        fix = f"kubectl -n {lease.key.namespace} get lease {lease.key.name} -o yaml"
        yield _Server(f"the holder of Lease {lease.key}", (suffix,) if suffix else (), lease.key, fix)
