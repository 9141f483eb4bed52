"""Starts one mail server on a free port of 127.0.0.1 and stops it when its standard input closes.

    python smtp.py FOLDER [--auth USER:PASSWORD] [--tls] [--refuse]

Prints its address as the emulators do. Each mail becomes a JSON file in FOLDER: who sent it to whom, as
whom, whether encrypted, and its text. With --tls it wants STARTTLS, under a certificate of its own, which
it writes to FOLDER/ca.pem. With --refuse it answers 550 to every receiver.
"""

import argparse
import asyncio
import datetime
import ipaddress
import json
import ssl
import threading
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from emulator import end_with_caller, listener


class Folder:
    """Keeps what arrives."""

    def __init__(self, folder: Path, refuse: bool) -> None:
        self.folder, self.refuse, self.count = folder, refuse, 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.refuse:
            return f"550 5.1.1 no mailbox {address} here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "user": session.auth_data.login.decode() if session.auth_data else None,
            "encrypted": session.ssl is not None,
            "text": envelope.content.decode(),
        }
        part = self.folder / f"{self.count}.part"
        part.write_text(json.dumps(mail))
        part.rename(self.folder / f"{self.count}.json")
        return "250 OK"


def certificate(folder: Path) -> ssl.SSLContext:
    """A certificate for 127.0.0.1 that signs itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    own = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(own, critical=False).sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(public)
    (folder / "key.pem").write_bytes(private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    return context


async def serve(args: argparse.Namespace) -> None:
    handler = Folder(args.folder, args.refuse)
    context = certificate(args.folder) if args.tls else None

    def login(server, session, envelope, mechanism, data):
        right = isinstance(data, LoginPassword) and b":".join(data) == args.auth.encode()
        return AuthResult(success=right, handled=False, auth_data=data)

    def connection():
        return SMTP(
            handler,
            enable_SMTPUTF8=True,
            tls_context=context,
            require_starttls=args.tls,
            authenticator=login,
            auth_required=args.auth is not None,
            auth_require_tls=args.tls,
        )

    sock, port = listener()
    server = await asyncio.get_running_loop().create_server(connection, sock=sock)
    print(f"http://127.0.0.1:{port}", flush=True)
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--auth")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--refuse", action="store_true")
    threading.Thread(target=end_with_caller, daemon=True).start()
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
