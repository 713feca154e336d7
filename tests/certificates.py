"""Certificates for tests: an authority that signs, and who it vouches for."""

import datetime as dt
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Identity:
    """A certificate and its private key, as PEM files."""

    cert: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """Signs for 127.0.0.1."""

    folder: Path
    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    cert: Path

    @classmethod
    def made(cls, folder: Path) -> "Authority":
        folder.mkdir()
        key, name = ec.generate_private_key(ec.SECP256R1()), _name("authority")
        cert = _certificate(name, name, key, key, ca=True)
        return cls(folder, name, key, _kept(folder / "authority.pem", cert))

    def signed(self, who: str) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        cert = _certificate(_name(who), self.name, key, self.key, ca=False)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.folder / f"{who}.key").write_bytes(pem)
        return Identity(_kept(self.folder / f"{who}.pem", cert), self.folder / f"{who}.key")


def _name(who: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, who)])


def _kept(path: Path, cert: x509.Certificate) -> Path:
    path.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    return path


def _certificate(
    name: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *,
    ca: bool,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if not ca:
        here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        builder = builder.add_extension(here, critical=False)
    return builder.sign(signer, hashes.SHA256())
