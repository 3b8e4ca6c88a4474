"""Keys and certificates that the pretended org needs: its own TLS, and pairs for JWT sign-ins."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def _pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate(key: Key, name: str) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.DNSName("*.salesforce.com"), x509.DNSName("*.my.salesforce.com"),
             x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip


def server_files(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost (to be trusted as a CA, too) and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = folder / "salesforce-ca.pem"
    certificate.write_bytes(_certificate(key, "localhost").public_bytes(serialization.Encoding.PEM))
    private = folder / "salesforce-key.pem"
    private.write_bytes(_pem(key))
    return certificate, private


def jwt_pair(folder: Path, name: str = "jwt") -> tuple[Path, bytes]:
    """A private key file for JWT sign-ins, and the certificate that is uploaded to the app."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = folder / f"{name}.pem"
    private.write_bytes(_pem(key))
    return private, _certificate(key, name).public_bytes(serialization.Encoding.PEM)
