"""The owner of the Lease: with it, the garbage collector deletes the Lease when the operator is uninstalled."""

import logging

from modelservice_operator.apimachinery.objects import Json
from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import OperatorError

logger = logging.getLogger(__name__)

SELF_SUBJECT_REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
_REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
_SERVICE_ACCOUNT = "system:serviceaccount:"


async def find_lease_owners(client: RestClient, namespace: str) -> list[Json]:
    """Return the ownerReferences for a Lease in a namespace: the service account of this process, if it has one.

    Every user may ask who it is (ClusterRole system:basic-user), and the UID of an account is that of its object; a
    Deployment as the owner would need a further permission. An owner must be in the namespace of the Lease.
    Never raises OperatorError: without an owner, the Lease only outlives the install.
    """
    try:
        answer = await client.request("POST", SELF_SUBJECT_REVIEWS, body=_REVIEW, bypass_limit=True)
    except OperatorError as error:
        logger.info("Cannot read the own service account, so the Lease has no owner: %s", error)
        return []
    user = (answer.get("status") or {}).get("userInfo") or {}
    own_namespace, _, name = str(user.get("username", "")).removeprefix(_SERVICE_ACCOUNT).partition(":")
    is_account = str(user.get("username", "")).startswith(_SERVICE_ACCOUNT)
    uid = user.get("uid")
    if not is_account or own_namespace != namespace or not uid:
        return []
    return [{"apiVersion": "v1", "kind": "ServiceAccount", "name": name, "uid": uid}]
