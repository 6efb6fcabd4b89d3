"""What went wrong between us and a bucket, as iiifkit's errors: sentences that name no key, host or secret.

Imports urllib3 and botocore; import it where a bucket is opened.
"""

import re
import ssl
from typing import NamedTuple

from botocore import exceptions as boto
from iiifkit import Overloaded, SourceError, SourceTimeout
from urllib3 import exceptions as urllib3

from .deadline import left
from .refusals import ANOTHER_REGION, Changed, Missing, NotImplementedThere, OutOfRange

CAUGHT = (boto.BotoCoreError, boto.ClientError, urllib3.HTTPError, OSError, ValueError, LookupError, OverflowError)
"""What botocore, urllib3 and sockets raise, the last three for what is missing or no number or date in an answer."""

RETRY_AFTER = 5
"""Seconds after which to ask again when the bucket's server has too much to do."""

_LATE = (urllib3.TimeoutError, boto.ConnectTimeoutError, boto.ReadTimeoutError, TimeoutError)
_BROKEN_OFF = (
    *(urllib3.ProtocolError, urllib3.NewConnectionError, boto.ConnectionClosedError, boto.EndpointConnectionError),
    *(boto.ResponseStreamingError, boto.IncompleteReadError, ConnectionError),
)
_NO_CREDENTIALS = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError)

_BUSY = frozenset({"SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "TooManyRequests"}) | {
    *("RequestLimitExceeded", "RequestThrottled", "TooManyRequestsException", "429", "503"),
}
_TRANSIENT = frozenset({"InternalError", "RequestTimeout", "500", "502", "504"})
_CREDENTIALS = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthFailure"}) | {
    *("ExpiredToken", "TokenRefreshRequired", "InvalidSecurity", "NotSignedUp", "AccountProblem"),
}
_REGION = frozenset({"PermanentRedirect", "Redirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"}) | {
    *("IllegalLocationConstraintException", "301", "302", "307"),
}
_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class Failure(NamedTuple):
    """An error to raise, and whether asking again may help."""

    error: SourceError | Overloaded
    transient: bool = False

    @property
    def silent(self) -> bool:
        """Whether there was no answer, or only one that the server has no time or is broken."""
        return self.transient or isinstance(self.error, SourceTimeout)


def failure(error: Exception) -> Failure:
    """Return what one of `CAUGHT` means."""
    if isinstance(error, boto.ClientError):
        return _of_answer(error)
    # urllib3 counts a refused connection as a time-out, and a sending that took too long as one that broke off.
    if isinstance(error, _BROKEN_OFF) and left() > 0:
        return Failure(SourceError("The bucket's server cannot be reached, or broke off."), transient=True)
    if isinstance(error, _LATE) or left() <= 0:
        return Failure(SourceTimeout("The bucket's server did not answer in time."))
    if isinstance(error, urllib3.SSLError | ssl.SSLError | boto.SSLError):
        return Failure(SourceError("The certificate of the bucket's server is not trusted; see AWS_CA_BUNDLE."))
    if isinstance(error, _NO_CREDENTIALS):
        return Failure(SourceError("The credentials for the bucket cannot be found any more."))
    return Failure(SourceError("The answer of the bucket's server cannot be understood."))


def _of_answer(error: boto.ClientError) -> Failure:
    code, status = _code(error), _status(error)
    if code == "NoSuchBucket":
        return Failure(SourceError("There is no bucket of the name that the config gives."))
    if status in (409, 412) or code in ("PreconditionFailed", "ConditionalRequestConflict"):
        return Failure(Changed("The object in the bucket changed meanwhile."))
    if status == 416 or code == "InvalidRange":
        return Failure(OutOfRange("The object in the bucket is shorter than was said."))
    if status == 404:
        return Failure(Missing("There is no such object in the bucket."))
    if code in _BUSY or status in (429, 503):
        return Failure(Overloaded("The bucket's server has too much to do; try again later.", RETRY_AFTER), True)
    if code in _TRANSIENT or status in (500, 502, 504):
        return Failure(SourceError(f"The bucket's server failed with {_shown(code, status)}."), transient=True)
    if code in _CREDENTIALS or status == 401:
        return Failure(SourceError(f"The bucket's server does not accept the credentials ({_shown(code, status)})."))
    if code == "RequestTimeTooSkewed":
        return Failure(
            SourceError("The bucket's server does not accept requests, because this computer's clock is off.")
        )
    if code in _REGION or 300 <= status < 400:
        return Failure(SourceError(ANOTHER_REGION))
    if code == "NotImplemented" or status == 501:
        return Failure(NotImplementedThere("The bucket's server lacks a feature that is needed."))
    if code == "InvalidObjectState":
        return Failure(SourceError("The object is archived in the bucket, and must be restored first."))
    if status == 403:
        return Failure(
            SourceError(
                f"The bucket's server denies access ({_shown(code, status)}). The permission s3:GetObject is needed "
                "and, to tell missing objects from secret ones, s3:ListBucket."
            )
        )
    return Failure(SourceError(f"The bucket's server answered {_shown(code, status)}."))


def _code(error: boto.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: boto.ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _shown(code: str, status: int) -> str:
    return code if _CODE.fullmatch(code) else str(status)
