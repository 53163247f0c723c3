"""Certificates that a strict verifier accepts."""

import ipaddress
import json

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.environment.cluster import pki

CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


def purposes(certificate: x509.Certificate) -> set[x509.ObjectIdentifier]:
    return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_client_certificate_names_its_user_in_the_subject() -> None:
    authority = pki.Authority.create("tests")
    certificate = x509.load_pem_x509_certificate(authority.issue("jane", groups=("dev", "ops")).certificate)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.pair.certificate))
    names = {part.value for part in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)}
    assert names == {"dev", "ops"}
    assert certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "jane"
    assert purposes(certificate) == {CLIENT}


def test_server_certificate_has_addresses_and_names() -> None:
    pair = pki.Authority.create("tests").issue("server", names=("127.0.0.1", "localhost"))
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("127.0.0.1")]
    assert purposes(certificate) == {CLIENT, SERVER}


def test_certificate_names_its_signing_key() -> None:
    authority = pki.Authority.create("tests")
    issued = x509.load_pem_x509_certificate(authority.issue("jane").certificate)
    own = x509.load_pem_x509_certificate(authority.pair.certificate)
    signer = issued.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert signer == own.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def test_kubeconfig_needs_no_other_file() -> None:
    pair = pki.Authority.create("tests").issue("jane")
    config = json.loads(pki.kubeconfig("https://127.0.0.1:1", b"authority", pki.certificate_user(pair)))
    assert config["clusters"][0]["cluster"]["certificate-authority-data"] == "YXV0aG9yaXR5"
    assert set(config["users"][0]["user"]) == {"client-certificate-data", "client-key-data"}
