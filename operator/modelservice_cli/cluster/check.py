"""The operator's own check of an install, with the login of this command line.

The only module that uses a client of the operator: the check is the operator's code, and a second one would differ from
it (ADR 0049).
"""

from modelservice_cli.cluster.kubeconfig import Endpoint, Identity
from modelservice_cli.errors import CliError, ExitCode


def check_install(endpoint: Endpoint, *, namespace: str, output: str) -> int:
    """Check the install that serves the cluster and print the findings; return the exit code of the check."""
    from modelservice_operator.cli.check import run_check
    from modelservice_operator.client.credentials import Credentials
    from modelservice_operator.client.tls import TLSMaterial, build_ssl_context

    if endpoint.proxy and not endpoint.proxy.startswith("http://"):
        raise CliError("`check` supports proxies by http:// only.", ExitCode.UNREACHABLE)
    identity: Identity = endpoint.identity
    tls = None
    if endpoint.server.startswith("https"):
        tls = build_ssl_context(
            TLSMaterial(
                endpoint.authorities, identity.certificate, identity.key, endpoint.server_name, endpoint.insecure
            )
        )
    credentials = Credentials(endpoint.server, tls, None, identity.headers, endpoint.proxy)
    return run_check(lambda: credentials, namespace=namespace, output=output)
