"""Starts one AWS emulator on a free port of 127.0.0.1 and stops it when its standard input closes.

    python emulator.py ministack [--auth] [--keep-days N]
    python emulator.py moto

Prints one line, the address (http://127.0.0.1:PORT), when it answers requests. The caller holds
the other end of standard input: when the caller ends, however it ends, the emulator ends too.
"""

import argparse
import os
import socket
import threading
import time
import urllib.request


def end_with_caller() -> None:
    """Ends this process when standard input closes."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def announce(address: str, path: str) -> None:
    """Prints the address as soon as `path` answers, or ends the process after 30 s."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(address + path, timeout=5):
                print(address, flush=True)
                return
        except OSError:
            time.sleep(0.05)
    os._exit(3)


def listener() -> tuple[socket.socket, int]:
    """A listening socket, opened here so that no other process can take its port in between."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=256)
    return sock, sock.getsockname()[1]


def ministack(auth: bool, keep_days: int) -> None:
    sock, port = listener()
    os.environ.update(
        GATEWAY_PORT=str(port),
        BIND_HOST="127.0.0.1",
        AUTH="true" if auth else "false",
        LOG_LEVEL=os.environ.get("LOG_LEVEL", "WARNING"),
        SFTP_ENABLED="0",
        IOT_MTLS_ENABLED="0",  # else it listens on 0.0.0.0:8883
        DOCKER_HOST="unix:///nonexistent",  # it must not look for containers
        S3_PERSIST="0",
        PERSIST_STATE="0",
    )
    # The keys of the caller's own shell would become its root credentials.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        os.environ.pop(name, None)
    import asyncio

    import ministack.services.cloudwatch as cloudwatch
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
    from ministack.app import app

    # It drops CloudWatch points older than this at every request; CloudWatch keeps 455 days.
    assert cloudwatch.TWO_WEEKS_SECONDS == 14 * 86400, "ministack keeps points differently now"
    cloudwatch.TWO_WEEKS_SECONDS = keep_days * 86400
    config = Config()
    config.bind = [f"fd://{sock.detach()}"]
    config.keep_alive_timeout = 75
    config.loglevel = os.environ["LOG_LEVEL"]
    threading.Thread(target=announce, args=(f"http://127.0.0.1:{port}", "/_ministack/ready"), daemon=True).start()
    asyncio.run(serve(app, config))


def moto() -> None:
    import logging

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    sock, port = listener()
    threading.Thread(target=announce, args=(f"http://127.0.0.1:{port}", "/moto-api/data.json"), daemon=True).start()
    app = DomainDispatcherApplication(create_backend_app)
    make_server("127.0.0.1", port, app, threaded=True, fd=sock.fileno()).serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", choices=["ministack", "moto"])
    parser.add_argument("--auth", action="store_true", help="ministack: check signatures and IAM policies")
    parser.add_argument("--keep-days", type=int, default=455, help="ministack: keep CloudWatch points so long")
    args = parser.parse_args()
    threading.Thread(target=end_with_caller, daemon=True).start()
    if args.which == "moto":
        moto()
    else:
        ministack(args.auth, args.keep_days)


if __name__ == "__main__":
    main()
