"""Where an index is: a URL taken apart, with options in its query and a password that no message shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from ..errors import ConfigError, unknown


class Address:
    """The parts of a URL.

    Args:
        url: `SCHEME://USER:PASSWORD@HOST:PORT/PATH?KEY=VALUE&KEY=VALUE`; every part but the scheme may be left out.

    Attributes:
        scheme: in lower case.
        user, password: decoded, or nothing.
        hosts: `(host, port)`, either perhaps empty; several where the URL names several, separated by commas.
        path: decoded, without the leading slash.
        query: its keys and values.

    Raises:
        ConfigError: no URL, or a key twice.

    >>> address = Address("postgresql://me:secret@db.example:5433/shop?table=pictures")
    >>> address.hosts, address.path, address.query
    ([('db.example', '5433')], 'shop', {'table': 'pictures'})
    >>> str(address)
    'postgresql://me@db.example:5433/shop'
    """

    def __init__(self, url: str) -> None:
        scheme, mark, _ = url.partition("://")
        if not mark:
            raise ConfigError("the place of an index is a folder or a URL such as postgresql://HOST/DATABASE")
        try:
            parts = urlsplit(url)
        except ValueError as error:  # a bracket that does not close; the text of the error may hold what was given
            raise ConfigError(f"the {scheme}:// URL of the index is malformed") from error
        account, _, servers = parts.netloc.rpartition("@")
        user, _, password = account.partition(":")
        self.scheme = scheme.lower()
        self.user, self.password = unquote(user), unquote(password)
        self.hosts = [_host(each) for each in servers.split(",")] if servers else []
        self.path = unquote(parts.path).removeprefix("/")
        pairs = parse_qsl(parts.query, keep_blank_values=True)
        self.query = dict(pairs)
        if len(self.query) < len(pairs):
            raise ConfigError(f"{self}: a key stands twice behind the '?'")

    def __str__(self) -> str:
        """The URL as messages show it: without password and options."""
        servers = ",".join(
            ":".join(filter(None, (f"[{host}]" if ":" in host else host, port))) for host, port in self.hosts
        )
        return f"{self.scheme}://{f'{self.user}@' if self.user else ''}{servers}/{self.path}"

    def take(self, known: Mapping[str, Callable[[str], Any]]) -> dict[str, Any]:
        """Our own options out of the query, converted; the rest stays in it for the server's client.

        Raises:
            ConfigError: a value that cannot be converted.
        """
        taken = {}
        for key, convert in known.items():
            if key in self.query:
                try:
                    taken[key] = convert(self.query.pop(key))
                except ValueError as error:
                    raise ConfigError(f"{self}: {key}: {error}") from None
        return taken

    def refuse(self, known: Mapping[str, Any]) -> None:
        """Refuses what is left in the query.

        Raises:
            ConfigError: names the key and the known ones.
        """
        for key in self.query:
            raise ConfigError(f"{self}: {unknown('option', key, known)}")


def shown(place: str) -> str:
    """A place as it may be printed: a URL without passwords, anything else as it is.

    >>> shown("postgresql://me:secret@db.example/shop?table=pictures&sslpassword=x")
    'postgresql://me@db.example/shop?table=pictures'
    """
    if "://" not in place:
        return place
    address = Address(place)
    query = {key: value for key, value in address.query.items() if "password" not in key.lower()}
    return f"{address}?{urlencode(query, safe='/')}" if query else str(address)


def truth(value: str) -> bool:
    """`true` or `false`, as they stand in a URL.

    Raises:
        ValueError: neither.
    """
    if value.lower() not in ("true", "false"):
        raise ValueError(f"needs true or false, not {value!r}")
    return value.lower() == "true"


def whole(value: str) -> int:
    """A whole number from 1.

    Raises:
        ValueError: none.
    """
    if not value.isdecimal() or int(value) < 1:
        raise ValueError(f"needs a whole number from 1, not {value!r}")
    return int(value)


def _host(server: str) -> tuple[str, str]:
    """Host and port of `host:port`, `[::1]:port`, or either alone."""
    host, bracket, port = server.rpartition("]")
    if bracket:
        return unquote(host.removeprefix("[")), port.removeprefix(":")
    host, _, port = server.partition(":")
    return unquote(host), port
