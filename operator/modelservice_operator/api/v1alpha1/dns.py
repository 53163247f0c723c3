"""Names that the pods resolve: DNS settings and entries of /etc/hosts (core/v1 PodDNSConfig, HostAlias)."""

from typing import Annotated, Literal

from pydantic import Field

from modelservice_operator.api.markers import ATOMIC, ApiModel, Rule, cel_rules, list_map, string_with_pattern

# Kubernetes allows 2,048 characters in all search domains together, hence at most 8.
DnsPolicy = Literal["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"]
IpAddress = Annotated[
    str,
    Field(
        min_length=1,
        max_length=45,
        json_schema_extra=cel_rules(("isIP(self)", "must be an IP address such as 192.0.2.1 or 2001:db8::1")),
    ),
]
_SearchDomain = Annotated[
    str,
    string_with_pattern(
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*[.]?$",
        "must be a domain such as example.com: lower-case letters, digits, '-' and '.'",
        max_length=253,
    ),
]

_AliasName = Annotated[
    str,
    string_with_pattern(
        "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        "must be a host name such as models.example.com: lower-case letters, digits, '-' and '.', no wildcard",
        max_length=253,
    ),
]


class HostAlias(ApiModel):
    """Host names of an address, in /etc/hosts."""

    ip: IpAddress = Field(description="Address.", examples=["192.0.2.10"])
    hostnames: Annotated[list[_AliasName], Field(min_length=1, max_length=8, json_schema_extra=ATOMIC)] = Field(
        description="Host names of the address.", examples=[["models.example.com"]]
    )


HostAliases = Annotated[list[HostAlias], Field(max_length=16, json_schema_extra=list_map("ip"))]


class DnsOption(ApiModel):
    """An option of the resolver."""

    name: Annotated[str, Field(min_length=1, max_length=63)] = Field(
        description="Name of the option.", examples=["ndots"]
    )
    value: Annotated[str, Field(max_length=63)] | None = Field(
        default=None, description="Value of the option, as text.", examples=["2"]
    )


class DnsConfig(ApiModel):
    """Settings of the resolver, merged with those of dnsPolicy."""

    nameservers: Annotated[list[IpAddress], Field(max_length=3, json_schema_extra=ATOMIC)] | None = Field(
        default=None, description="Addresses of DNS servers.", examples=[["192.0.2.53"]]
    )
    searches: Annotated[list[_SearchDomain], Field(max_length=8, json_schema_extra=ATOMIC)] | None = Field(
        default=None, description="Domains that are searched for short names.", examples=[["example.com"]]
    )
    options: Annotated[list[DnsOption], Field(max_length=16, json_schema_extra=ATOMIC)] | None = Field(
        default=None, description="Options of the resolver.", examples=[[{"name": "ndots", "value": "2"}]]
    )


DNS_RULES = (
    Rule(
        "!has(self.dnsPolicy) || self.dnsPolicy != 'None' || (has(self.dnsConfig) && has(self.dnsConfig.nameservers)"
        " && self.dnsConfig.nameservers.size() > 0)",
        "dnsPolicy None requires dnsConfig.nameservers: set at least one address, or another policy",
        ".dnsPolicy",
    ),
)
"""Rules of the spec about DNS."""
