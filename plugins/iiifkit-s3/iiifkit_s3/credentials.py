"""Where credentials are found: the config says where, and never holds them.

Imports botocore; import it where a bucket is opened.
"""

from pathlib import Path
from typing import Any

from botocore import exceptions as boto
from botocore.session import Session
from iiifkit import ConfigError

ANONYMOUS = "anon:"

_ENVIRONMENT = ("env",)
_ROLES = ("assume-role-with-web-identity", "container-role", "iam-role")
_FILE = ("shared-credentials-file",)
_PROFILE = (*_FILE, "config-file", "custom-process", "sso", "login", "assume-role", "assume-role-with-web-identity")
_FORMS = "write env:, iam:, anon:, shared:FILE:PROFILE, or the name of a profile in ~/.aws"


def open_session(credentials: str, where: str) -> Session:
    """Return a session that finds credentials there and nowhere else.

    Raises `ConfigError`, at the path ``where``, if there are none. Nothing that was written there is repeated: it could
    be a secret.
    """
    try:
        session, providers, hint = _session(credentials, where)
        _keep(session, providers)
        if credentials != ANONYMOUS and session.get_credentials() is None:
            raise ConfigError(hint, where)
    except boto.ProfileNotFound as error:
        raise ConfigError(f"there is no such profile; {_FORMS}", where) from error
    except boto.PartialCredentialsError as error:
        raise ConfigError("one half of the credentials is missing, key id or secret", where) from error
    except (boto.BotoCoreError, OSError, ValueError) as error:
        raise ConfigError("the credentials cannot be read", where) from error
    return session


def _session(credentials: str, where: str) -> tuple[Session, tuple[str, ...], str]:
    """Return a session, the providers that it may ask, and what to say if they have nothing."""
    kind, _, rest = credentials.partition(":")
    if credentials in ("", "env:"):
        return Session(), _ENVIRONMENT, f"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or {_FORMS}"
    if credentials == ANONYMOUS:
        return Session(), (), ""
    if credentials == "iam:":
        return Session(), _ROLES, f"no role was found on this machine; {_FORMS}"
    if kind == "shared":
        file, _, profile = rest.rpartition(":")
        if not file or not profile:
            raise ConfigError("expected shared:FILE:PROFILE", where)
        path = Path(file).expanduser()
        if not path.is_file():
            raise ConfigError("there is no such credentials file", where)
        session = Session(profile=profile)
        session.set_config_variable("credentials_file", str(path))
        return session, _FILE, "the profile in the credentials file holds no credentials"
    return Session(profile=credentials), _PROFILE, f"the profile holds no credentials; {_FORMS}"


def _keep(session: Session, providers: tuple[str, ...]) -> None:
    resolver: Any = session.get_component("credential_provider")
    for provider in list(resolver.providers):
        if provider.METHOD not in providers:
            resolver.remove(provider.METHOD)
