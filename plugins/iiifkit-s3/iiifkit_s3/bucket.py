"""One bucket of one server: asks it, within a deadline and a number of attempts, and says what went wrong."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

from iiifkit import ConfigError, IIIFKitError, Location, Overloaded, SourceTimeout

from .deadline import left, within
from .options import BucketOptions, check
from .rest import Rest

FIRST_PAUSE = 0.2
"""Seconds before the second attempt, more or less; they double before each further one."""

_DEFAULT_REGION = "us-east-1"
_AWS = (".amazonaws.com", ".amazonaws.com.cn")

Taken = TypeVar("Taken")


class Bucket:
    """Thread-safe. Every method but `close` blocks for at most ``options.timeout`` seconds.

    ``prefix`` is empty or ends with a slash. A server that does not answer is left alone for ``rest`` seconds. Raises
    `ConfigError`, with the path below ``where``, if the options or the credentials are not possible; the server is not
    asked.
    """

    def __init__(self, options: BucketOptions, where: str, rest: float = 0) -> None:
        check(options, where)
        self.name = options.path
        self.prefix = options.prefix.strip("/") + "/" if options.prefix.strip("/") else ""
        self._timeout = options.timeout
        self._retries = options.retries
        self._rest = Rest(rest)
        self._slots = threading.BoundedSemaphore(options.concurrency)
        self._client, self._transport = _connect(options, where)
        self.location = Location(f"s3://{_place(self._client.meta.endpoint_url)}/{self.name}", f"/{self.prefix}")

    def ask(self, operation: str, take: Callable[[Any], Taken], **parameters: Any) -> Taken:
        """Return what ``take`` makes of the answer to an operation of botocore's S3 client.

        Asks again if the server fails, has too much to do or breaks off, also while ``take`` reads. Raises
        `SourceError` (also `SourceTimeout` and those of ``refusals``), `Overloaded`, and what ``take`` raises.
        """
        from .failures import CAUGHT, failure

        if self._rest.holds():
            raise SourceTimeout("The bucket's server did not answer a moment ago, and is left alone for some seconds.")
        with within(self._timeout), self._slot():
            for attempt in range(self._retries + 1):
                try:
                    taken = self._once(operation, take, parameters)
                except CAUGHT as error:
                    found = failure(error)
                    pause = FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1.5)
                    if not found.transient or attempt == self._retries or pause >= left():
                        self._rest.told(failed=found.silent)
                        raise found.error from error
                else:
                    self._rest.told(failed=False)
                    return taken
                time.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    def without_rest(self) -> "Bucket":
        """Return the same bucket, which asks the server also when it did not answer."""
        other = copy(self)
        other._rest = Rest(0)
        return other

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._transport.close()

    def _once(self, operation: str, take: Callable[[Any], Taken], parameters: dict[str, Any]) -> Taken:
        from .failures import CAUGHT

        try:
            answer = getattr(self._client, operation)(Bucket=self.name, **parameters)
        except (IIIFKitError, *CAUGHT):
            raise
        except Exception as error:
            raise ValueError("botocore stumbles over the answer") from error
        try:
            return take(answer)
        finally:
            if "Body" in answer:
                answer["Body"].close()

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if not self._slots.acquire(timeout=max(0.0, left())):
            raise Overloaded("Too many requests to the bucket are waiting; try again later.")
        try:
            yield
        finally:
            self._slots.release()


def _connect(options: BucketOptions, where: str) -> tuple[Any, Any]:
    """Return a client of boto3 and the transport that it sends through."""
    from boto3.session import Session
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError
    from botocore.httpsession import get_cert_path

    from .credentials import ANONYMOUS, open_session
    from .transport import Transport

    _quiet()
    session = open_session(options.credentials, f"{where}.credentials")
    session.register_component("data_loader", _descriptions())
    optional = {"request_checksum_calculation": options.checksums} if options.checksums else {}
    waits = {"connect_timeout": options.timeout, "read_timeout": options.timeout, "retries": {"total_max_attempts": 1}}
    session.set_default_client_config(Config(**waits))
    config = Config(
        **waits,
        **optional,
        signature_version=UNSIGNED if options.credentials == ANONYMOUS else None,
        s3={"addressing_style": options.addressing},
        # Parts of objects have no checksums, and some servers send those of the whole with a part.
        response_checksum_validation="when_required",
        user_agent_extra="iiifkit-s3",
    )
    region = options.region or session.get_config_variable("region") or _DEFAULT_REGION
    try:
        boto = Session(botocore_session=session)
        client = boto.client("s3", region_name=region, endpoint_url=options.endpoint or None, config=config)
    except (BotoCoreError, ValueError) as error:
        raise ConfigError("no server can be found by this region and endpoint", f"{where}.region") from error
    certificates = get_cert_path(session.get_config_variable("ca_bundle") or True)
    try:
        transport = Transport(client.meta.endpoint_url, certificates, options.concurrency)
    except OSError as error:
        raise ConfigError("the certificates that AWS_CA_BUNDLE names cannot be read", f"{where}.endpoint") from error
    client.meta.events.register("before-send.s3", transport.send)
    return client, transport


@cache
def _descriptions() -> Any:
    """Return what reads botocore's descriptions of services, and remembers them: they take a quarter of a second."""
    from botocore.loaders import create_loader

    return create_loader()


def _quiet() -> None:
    """Keep out of logs what botocore says of its own: session tokens, when debugging, and odd headers at length."""
    logger = logging.getLogger("botocore")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.ERROR)


def _place(endpoint: str) -> str:
    """Return what tells one server from another: host, port and path; AWS is one server in all its regions."""
    url = urlsplit(endpoint)
    host = (url.hostname or "").lower()
    if host.endswith(_AWS):
        return "aws"
    return f"{host}:{url.port or (443 if url.scheme == 'https' else 80)}{url.path.rstrip('/')}"
