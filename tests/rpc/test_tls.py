"""With an authority of its callers, callers and server prove to each other who they are."""

import datetime
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from projects.models import Project
from rpc.conf import RpcSettings
from tests.factories.projects import key_of
from tests.rpc.rpc_server import RpcClient, RpcRefusal, ServedRpc

Code = grpc.StatusCode
LISTED = "PaymentService/ListPayments"


@pytest.fixture
def limits(tmp_path: Path) -> RpcSettings:
    """The server's certificate is also the authority of its callers."""
    key, certificate = write_certificate(tmp_path)
    return RpcSettings(
        address="127.0.0.1:0",
        certificate=str(certificate),
        private_key=str(key),
        client_authority=str(certificate),
    )


def test_callers_and_server_prove_who_they_are(
    served: ServedRpc, limits: RpcSettings, project: Project
) -> None:
    own_key, own_certificate, authority = limits.read_tls() or (b"", b"", b"")
    name = [("grpc.ssl_target_name_override", "localhost")]
    credentials = grpc.ssl_channel_credentials(authority, own_key, own_certificate)
    with grpc.secure_channel(served.address, credentials, name) as channel:
        assert RpcClient(channel, key_of(project)).call(LISTED) == {}
    stranger = grpc.ssl_channel_credentials(authority)
    for other in (
        grpc.secure_channel(served.address, stranger, name),
        grpc.insecure_channel(served.address),
    ):
        with other as channel, pytest.raises(RpcRefusal) as raised:
            RpcClient(channel, key_of(project)).call(LISTED)
        assert raised.value.code is Code.UNAVAILABLE


def write_certificate(folder: Path) -> tuple[Path, Path]:
    """A key, and a certificate for localhost that it has signed itself."""
    private_key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(tz=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private_key, hashes.SHA256())
    )
    key_file, certificate_file = folder / "key.pem", folder / "certificate.pem"
    key_file.write_bytes(
        private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return key_file, certificate_file
