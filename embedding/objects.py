"""A picture that is an object of a bucket, read whole with one request."""

from cladescope import object_storage
from cladescope.embedding.bounds import MAX_FILE_BYTES, too_large
from cladescope.errors import PictureError, StoreError


def read_object(uri: str) -> bytes:
    """The encoded picture at an address such as `s3://bucket/tit.jpg`.

    Raises PictureError with a one-line reason if there is none, if it is too large, or if the storage does not answer.
    """
    try:
        return object_storage.whole(uri, most=MAX_FILE_BYTES)
    except FileNotFoundError as error:
        raise PictureError(f"no such file: {uri}") from error
    except (OSError, StoreError) as error:
        raise PictureError(f"cannot read {uri}: {error}") from error
    except OverflowError as error:
        raise PictureError(too_large(int(str(error)))) from error
