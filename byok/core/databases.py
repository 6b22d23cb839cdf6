"""The address of a PostgreSQL database: what may stand in it, and what is shown."""

from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit, urlunsplit

from byok.core.secret import Secret

SCHEMES = frozenset({"postgresql", "postgres"})
_DRIVERS = frozenset({"", "psycopg"})
OPTIONS = frozenset({"host", "sslmode", "sslrootcert", "sslcert", "sslkey"})


def is_database(url: str) -> bool:
    """Does *url* name a PostgreSQL database, well written or not?"""
    scheme, slashes, _ = url.partition("://")
    return bool(slashes) and scheme.partition("+")[0].lower() in SCHEMES


def database_problem(url: str) -> str:
    """
    Say what is wrong with the address of a database; nothing where it is fine.

    What is said quotes nothing of the address, which may hold a password.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "has a host or a port that cannot be read"
    if parts.scheme.partition("+")[2] not in _DRIVERS:
        return "names a driver; byok uses psycopg and no other"
    options = parse_qsl(parts.query, keep_blank_values=True)
    if not {name for name, _ in options} <= OPTIONS:
        known = ", ".join(sorted(OPTIONS))
        return f"has an option that byok does not know; there are {known}"
    if len(dict(options)) != len(options) or any(not value for _, value in options):
        return "has an option twice, or without a value"
    name = parts.path.removeprefix("/")
    if not name or "/" in name or parts.fragment:
        return "does not end in the name of one database"
    if not parts.hostname and "host" not in dict(options):
        return "names no host; a socket's directory is written ?host=/run/postgresql"
    return ""


def password_in(url: str) -> Secret | None:
    """Return the password that stands in *url*."""
    password = urlsplit(url).password
    return None if password is None else Secret(unquote(password))


def with_password(url: str, password: Secret) -> str:
    """Return *url* with this *password* in the place of its own."""
    return _with_user(urlsplit(url), quote(password.reveal(), safe=""))


def without_password(url: str) -> str:
    """Return what may be shown of *url*: server, database and user."""
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    return _with_user(parts._replace(scheme=scheme, query=""), None)


def _with_user(parts: SplitResult, password: str | None) -> str:
    user, at, host = parts.netloc.rpartition("@")
    user = user.partition(":")[0]
    secret = "" if password is None else f":{password}"
    netloc = f"{user}{secret}@{host}" if at or secret else host
    return urlunsplit(parts._replace(netloc=netloc))
