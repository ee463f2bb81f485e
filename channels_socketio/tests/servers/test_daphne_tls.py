"""The page's origin where the server itself speaks TLS, in scopes with and without a scheme."""

import datetime
import ipaddress
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.exceptions import InvalidStatus

from channels_socketio.tests.support.processes import Process, accepts_connections, free_port, servers, wait_until
from channels_socketio.tests.support.ws_client import Dial

APPLICATION = "channels_socketio.tests.support.contract_app:application"
TLS = {
    "daphne": "daphne -e ssl:{port}:interface=127.0.0.1:privateKey={key}:certKey={certificate} {application}",
    "uvicorn": "uvicorn --port {port} --ssl-keyfile {key} --ssl-certfile {certificate} {application}",
}


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Return the files of a new key and of its certificate for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    certificate = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    files = folder / "key.pem", folder / "certificate.pem"
    encoding = serialization.Encoding.PEM
    unencrypted = serialization.NoEncryption()
    files[0].write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, unencrypted))
    files[1].write_bytes(certificate.public_bytes(encoding))
    return files


@pytest.fixture(params=servers("daphne", "uvicorn"))
def secure(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, ssl.SSLContext]]:
    """The origin of a server that speaks TLS, and what its clients trust."""
    key, certificate = make_certificate(tmp_path)
    port = free_port()
    arguments = TLS[request.param].format(port=port, key=key, certificate=certificate, application=APPLICATION)
    process = Process([sys.executable, "-m", *arguments.split()], tmp_path / "server.log")
    process.start()
    wait_until(lambda: accepts_connections(port), f"it listened: {process.output()}", 30)
    yield f"https://127.0.0.1:{port}", ssl.create_default_context(cafile=certificate)
    process.kill()


async def test_where_the_server_speaks_tls_only_pages_over_https_may_connect(
    secure: tuple[str, ssl.SSLContext], dial: Dial
) -> None:
    own, context = secure
    url = f"{own.replace('https', 'wss')}/socket.io/?EIO=4&transport=websocket"
    await dial(url, ssl=context, additional_headers={"Origin": own})
    with pytest.raises(InvalidStatus):
        await dial(url, ssl=context, additional_headers={"Origin": own.replace("https", "http")})
