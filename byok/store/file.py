"""The file that was opened, and whether it is still the one that has its name."""

from pathlib import Path

from byok.core.errors import StoreUnavailable
from byok.store.faults import StoreReplaced


class StoreFile:
    """
    Knows the store's file by device and inode.

    SQLite holds on to the file that it opened. Deleted or replaced, it can still be
    written to for as long as it is open, and all of that is lost at the next start:
    the block of a leaked key, for one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._opened = _identity(self.path)

    def check(self) -> None:
        """Raise StoreReplaced unless the file that was opened has its name still."""
        found = _identity(self.path)
        if found is None:
            raise StoreReplaced(
                f"{self.path}: the store that is open was deleted or moved. Put it"
                " back; or put a backup here and restart byok. A restart with no file"
                " here begins an empty store, in which no key is valid."
            )
        if found != self._opened:
            raise StoreReplaced(
                f"{self.path}: this is not the file that was opened any more. Restart"
                " byok to use it, or put the former one back."
            )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreUnavailable(
            f"{path}: cannot be looked at ({error.strerror}). Whoever runs byok has to"
            " be able to reach this file."
        ) from error
    return status.st_dev, status.st_ino
