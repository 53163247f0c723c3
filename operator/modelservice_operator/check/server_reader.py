"""Reads from the API server for a check: whatever cannot be read becomes an Unreadable, never an exception."""

from collections.abc import Mapping

from modelservice_operator.apimachinery.kinds import ResourceKind
from modelservice_operator.apimachinery.objects import Object
from modelservice_operator.check.facts import Read, ReadList, Unreadable
from modelservice_operator.client.rest import RestClient
from modelservice_operator.errors import NotFoundError, OperatorError

PAGE_SIZE = "500"


class ServerReader:
    """Reads objects and lists."""

    def __init__(self, client: RestClient) -> None:
        self._client = client

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Read:
        """Return an object; None if it does not exist, or its kind is not served."""
        try:
            return await self._client.request("GET", path, params=params)
        except NotFoundError:
            return None
        except OperatorError as error:
            return Unreadable(str(error))

    async def list(self, path: str, *, selector: str = "", fields: str = "", max_pages: int = 20) -> ReadList:
        """Return the objects of a list, at most `max_pages` of it; none if the kind is not served."""
        params = {"limit": PAGE_SIZE, "labelSelector": selector, "fieldSelector": fields}
        params = {name: value for name, value in params.items() if value}
        items: list[Object] = []
        for _ in range(max_pages):
            page = await self.get(path, params)
            if isinstance(page, Unreadable):
                return page
            items += (page or {}).get("items") or ()
            token = ((page or {}).get("metadata") or {}).get("continue")
            if not token:
                break
            params["continue"] = token
        return tuple(items)

    async def post(self, path: str, body: Object) -> Object | Unreadable:
        """Send a review, which the API server answers and does not store."""
        try:
            return await self._client.request("POST", path, body=body)
        except OperatorError as error:
            return Unreadable(str(error))

    async def serves(self, kind: ResourceKind) -> bool | Unreadable:
        """Return True if the API server serves a kind."""
        found = await self.get(f"/apis/{kind.group}/{kind.version}")
        if isinstance(found, Unreadable):
            return found
        return any(one.get("name") == kind.plural for one in (found or {}).get("resources") or ())
