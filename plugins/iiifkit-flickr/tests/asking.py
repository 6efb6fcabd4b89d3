"""What tests of the source ask it for."""

from collections.abc import Callable

import pytest
from flickr import KEY
from iiifkit import IIIFKitError

from iiifkit_flickr.source import FlickrSource

Open = Callable[..., FlickrSource]
PHOTO = "7618829486"
DATA = b"photo" * 1000


def got(source: FlickrSource, photo: str = PHOTO) -> bytes:
    with source.open(photo) as blob:
        return blob.read_all()


def refusal(source: FlickrSource, photo: str = PHOTO) -> IIIFKitError:
    """The error of both methods."""
    errors = []
    for method in (source.version, source.open):
        with pytest.raises(IIIFKitError) as caught:
            method(photo)
        errors.append(caught.value)
    assert type(errors[0]) is type(errors[1])
    assert str(errors[0]) == str(errors[1])
    assert KEY not in str(errors[0])
    return errors[0]
