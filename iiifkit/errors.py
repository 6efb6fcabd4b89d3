"""The error tree.

Every error that iiifkit raises on purpose, drawn as text::

    IIIFKitError                 catch this to catch them all
    ├── RequestError             what was asked cannot be done, whoever asks again
    │   ├── BadRequest           the syntax is wrong, or the server does not offer it
    │   ├── SizeOverLimit        valid, but larger than the published limits allow
    │   ├── NotOffered           valid, but enlarging is switched off
    │   └── ImageNotFound        no image has this identifier
    ├── ImageError               there is a file, but no picture can be made of it
    │   ├── UnsupportedImage     not a format that this server opens
    │   ├── BrokenImage          truncated or malformed
    │   └── ImageOverLimit       more source pixels or bytes than the limits allow
    ├── SourceError              the place where images live did not answer properly
    │   ├── SourceTimeout        ... in time
    │   └── SourceChanged        the image was replaced between two looks at it; ask again
    ├── Overloaded               too much work is waiting; try again later
    │   └── DeadlineExceeded     this answer took longer than limits.deadline
    ├── Stopped                  the work was abandoned because nobody waits for it
    ├── PluginFailed             a plugin's code raised or returned nonsense while it was at work
    ├── CacheError               a cache could not be read or written; never fatal to an answer
    └── SetupError               start-up cannot go on
        ├── ConfigError          the config is wrong, and where
        └── PluginError          a plugin is missing, broken or in conflict

Messages are sentences for the person who reads them: what was asked, what is wrong, what to do.
They name no path of the server. HTTP statuses and exit codes are mapped elsewhere: in
``iiifkit.server.errors`` and ``iiifkit.cli``.
"""


class IIIFKitError(Exception):
    """The root of the tree; its text is one sentence for a person."""


class RequestError(IIIFKitError):
    """What was asked cannot be done, whoever asks again."""


class BadRequest(RequestError):
    """The request's syntax is wrong, or it uses a feature that this server does not offer."""


class SizeOverLimit(RequestError):
    """The request is valid, but its result is larger than maxWidth, maxHeight or maxArea."""


class NotOffered(RequestError):
    """The request is valid, but needs enlarging, which is switched off (Image API 3.0, 4.2)."""


class ImageNotFound(RequestError):
    """No image has this identifier."""


class ImageError(IIIFKitError):
    """There is a file behind the identifier, but no picture can be made of it."""


class UnsupportedImage(ImageError):
    """The file is not in a format that this server opens."""


class BrokenImage(ImageError):
    """The file is truncated or malformed."""


class ImageOverLimit(ImageError):
    """The image has more pixels or bytes than the limits allow."""


class SourceError(IIIFKitError):
    """The place where images live refused, broke off or answered nonsense."""


class SourceTimeout(SourceError):
    """The place where images live did not answer in time."""


class SourceChanged(SourceError):
    """The image was replaced between two looks at it; the same request will see the new one."""


class Overloaded(IIIFKitError):
    """Too much work is waiting; the same request may succeed later."""

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DeadlineExceeded(Overloaded):
    """The answer took longer than ``limits.deadline`` seconds."""


class Stopped(IIIFKitError):
    """The work was abandoned, because nobody waits for it any more."""


class PluginFailed(IIIFKitError):
    """A plugin's code raised, or returned what is no picture, while it was at work."""


class CacheError(IIIFKitError):
    """A cache could not be read or written. The line goes on without it."""


CACHE_FAILURES = (CacheError, SourceError, Overloaded, ImageError, OSError)
"""What asking a cache, or reading what it handed out, may raise. To whoever asks, each is a miss."""


class SetupError(IIIFKitError):
    """Start-up cannot go on."""


class ConfigError(SetupError):
    """The config is wrong. ``path`` is where in the JSON, such as ``images.source.path``."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class PluginError(SetupError):
    """A plugin is missing, broken or in conflict with another."""
