"""The sockets that the server listens on, and whether its certificate is any good."""

import socket
import ssl

from ..errors import SetupError


def listen(host: str, port: int) -> list[socket.socket]:
    """Bind every address of a host; port 0 takes a free one, the same for all. Raises `SetupError`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise SetupError(
            f"The host {host!r} is not known on this machine; use localhost, 0.0.0.0 or an address."
        ) from None
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    for family, kind, protocol, _, address in dict.fromkeys(found):
        try:
            bound = socket.socket(family, kind, protocol)
        except OSError as error:
            failure = error
            continue
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            bound.bind((address[0], port, *address[2:]))
            bound.listen(1024)
        except OSError as error:
            failure = error
            bound.close()
            continue
        bound.set_inheritable(True)
        port = bound.getsockname()[1]
        sockets.append(bound)
    if not sockets:
        reason = failure.strerror if failure is not None else "no address was found"
        raise SetupError(f"The server cannot listen on {host}, port {port}: {reason}. Choose another with --port.")
    return sockets


def check_tls(certificate: str | None, key: str | None) -> None:
    """Try the certificate and its key, if there are any, before the server starts. Raises `SetupError`."""
    if certificate is None or key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError:
        raise SetupError(
            "The TLS certificate and key do not work: both must be PEM files, belong together, and the key must "
            "not be encrypted."
        ) from None
    except OSError as error:
        raise SetupError(f"The TLS certificate or its key cannot be read: {error.strerror}.") from None
