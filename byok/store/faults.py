"""What goes wrong with the store, in words for whoever runs the gateway."""

from byok.core.errors import ByokError, StoreUnavailable


class BadStoreUrl(ByokError):
    """The `store` setting does not name a place that keys can be kept in."""


class StoreTooOld(StoreUnavailable):
    """The store was written by an earlier byok, and has to be upgraded by hand."""


class StoreHalfMade(StoreUnavailable):
    """The store has not the tables that it says it has."""


class StoreTooNew(StoreUnavailable):
    """The store was written by a later byok."""


class StoreReplaced(StoreUnavailable):
    """The file that keys are kept in is gone, or another one is in its place."""


class PepperLost(StoreUnavailable):
    """No stored key can be verified, because its pepper is not at hand."""


class KeyTaken(ByokError):
    """This key is in the store already."""


class AliasTaken(ByokError):
    """Another key has this alias already."""
