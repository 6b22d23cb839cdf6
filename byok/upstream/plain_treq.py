"""What treq is given so that it only sends: no cookies, and no URL to rewrite."""

from functools import lru_cache
from http.client import HTTPResponse
from http.cookiejar import DefaultCookiePolicy
from urllib.request import Request

from hyperlink import EncodedURL
from treq.cookies import IndexableCookieJar

from byok.core.providers import Origin


class EmptyJar(IndexableCookieJar):
    """
    A jar that neither takes a cookie nor gives one.

    Whoever shares a client shares its jar, and a provider's cookie for one caller
    would leave with another's request. The policy says so to whatever asks it; the
    two ways in and out are closed as well, which saves looking for cookies.
    """

    def __init__(self) -> None:
        super().__init__(policy=DefaultCookiePolicy(allowed_domains=[]))

    def add_cookie_header(self, request: Request) -> None:
        """Add nothing."""

    def extract_cookies(self, response: HTTPResponse, request: Request) -> None:
        """Take nothing."""


class _Fixed(EncodedURL):
    """A URL of ASCII and nothing to encode, so that it need not be encoded again."""

    def to_uri(self) -> "_Fixed":
        return self


@lru_cache(maxsize=256)
def url_of(origin: Origin) -> EncodedURL:
    """Return what treq is told of where a request goes: its origin, and no more."""
    return _Fixed.from_text(str(origin))
