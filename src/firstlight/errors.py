"""Every expected failure: one sentence that says what was passed, what was expected and how to fix it."""

from collections.abc import Iterator
from contextlib import contextmanager

from firstlight.characters import visible


class FirstlightError(Exception):
    """The parent of every failure that Firstlight expects; its text is one sentence for a person.

    Example:
        >>> import firstlight as fl
        >>> try:
        ...     fl.scan("no such folder")
        ... except fl.FirstlightError as error:
        ...     print(error)
        no such folder does not exist; pass a folder of images, a .zip, a .csv or a .parquet.
    """

    def __str__(self) -> str:
        return visible(super().__str__())  # names of files and the words of a server are part of it


class DataError(FirstlightError):
    """A folder, archive, table or list of images that cannot be worked with as it is."""


class DownloadError(FirstlightError):
    """A dataset that could not be fetched, verified or unpacked; nothing half-done is left behind."""


class RunError(FirstlightError):
    """A run folder or model file that is missing, cut off, tampered with, or would be overwritten."""


class ArgumentError(FirstlightError, ValueError):
    """An argument whose value is not one of those that can be passed."""


class MissingExtraError(FirstlightError, ImportError):
    """An optional package that is not installed.

    Args:
        purpose: what it was wanted for, as the start of the sentence: ``"HEIC images"``.
        extra: the name of the extra that installs it: ``"heif"``.
        package: its name, where a person knows it: ``"PyTorch"``.

    Example:
        >>> print(MissingExtraError("HEIC images", "heif"))
        HEIC images need an optional package; in the clone of Firstlight, install it with: pip install ".[heif]"
    """

    def __init__(self, purpose: str, extra: str, package: str = "an optional package") -> None:
        super().__init__(
            f'{purpose} need {package}; in the clone of Firstlight, install it with: pip install ".[{extra}]"'
        )
        self.extra = extra


@contextmanager
def require(extra: str, *, purpose: str) -> Iterator[None]:
    """Imports of an optional package: where one fails, the error is the line that installs it.

    Args:
        extra: the name of the extra that installs the package: ``"pandas"``.
        purpose: what needs it, as the start of the sentence: ``"Data frames"``.

    Raises:
        MissingExtraError: where the package is not installed.

    Example:
        >>> with require("pandas", purpose="Data frames"):
        ...     import pandas
    """
    try:
        yield
    except ModuleNotFoundError as error:  # a package that is there and cannot be loaded is another failure
        if (error.name or "").partition(".")[0] == "firstlight":
            raise  # our own mistake
        raise MissingExtraError(purpose, extra) from error
