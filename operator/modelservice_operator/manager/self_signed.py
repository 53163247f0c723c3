"""Prints a self-signed certificate for the operator and its key. The only module that imports cryptography."""

import socket
import sys
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from modelservice_operator.apimachinery.clock import SYSTEM_CLOCK
from modelservice_operator.settings import FIELD_MANAGER

LIFETIME = timedelta(days=3650)
"""Longer than a process lives: clients do not verify it anyway."""
_CLOCK_SKEW = timedelta(hours=1)


def generate_self_signed() -> tuple[bytes, bytes]:
    """Return a new certificate for this host and its key (ECDSA P-256), as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, FIELD_MANAGER)])
    now = SYSTEM_CLOCK.now()
    names = [x509.DNSName(one) for one in dict.fromkeys((FIELD_MANAGER, socket.gethostname(), "localhost"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


if __name__ == "__main__":
    sys.stdout.buffer.write(b"\0".join(generate_self_signed()))
