"""Refusals: the errors of a source, and a server that gives none."""

import pytest
from between import Handler, Request
from iiifkit import IIIFKitError

from iiifkit_s3.source import S3Source


def refusal(source: S3Source, identifier: str = "photo.jpg") -> IIIFKitError:
    """The error of both methods, which must be of one kind."""
    errors = []
    for method in (source.version, source.open):
        with pytest.raises(IIIFKitError) as caught:
            method(identifier)
        errors.append(caught.value)
    assert {type(error) for error in errors} == {type(errors[0])}
    return errors[0]


def hangs(handler: Handler, request: Request) -> bool:
    return handler.hang()
