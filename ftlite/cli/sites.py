"""An address whose host is the name of a site means what sites.toml says. Nothing is parsed where there is no file."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from ftlite.cli import places
from ftlite.cli.defaults import laid_over
from ftlite.cli.exits import CliError
from ftlite.cli.options import Options
from ftlite.client.address import Address, Scheme, parse_address
from ftlite.client.errors import ClientError

if TYPE_CHECKING:
    from ftlite.config.client import Site
    from ftlite.config.sites import Sites


@frozen
class SiteAddress(Address):
    """An address that was written by the name of a site.

    Attributes:
        name: the site's.
        site: what sites.toml says of it.
    """

    name: str = ""
    site: Site | None = field(default=None, repr=False)


def sites() -> Sites:
    """The sites of whoever runs this."""
    from ftlite.config.sites import Sites

    return Sites(places.sites_file())


def resolve(address: Address) -> Address:
    """`address`, or what it means when its host is the name of a site, which goes before a host of that name.

    A path starts from the site's directory, a user before the name takes the place of the site's. URLs name hosts.

    Raises:
        ConfigError: sites.toml, or this site in it, cannot be used.
    """
    if address.scheme is not Scheme.BARE or not places.sites_file().exists():
        return address
    site = sites().find(address.host)
    return address if site is None else _at_site(address, address.host, site)


def _at_site(typed: Address, name: str, site: Site) -> SiteAddress:
    try:
        where = parse_address(site.address)
    except ClientError as error:
        raise CliError("USAGE", f"{places.sites_file()}: {name}.address: {error}") from None
    if typed.user is not None and typed.user != where.user:
        # A password that is known for one user is none for another.
        site = evolve(site, password_file=None, password_command=None)
        where = evolve(where, user=typed.user)
    path = posixpath.join(where.path, typed.path) if typed.path else where.path
    return SiteAddress(where.host, where.port, where.user, path, where.scheme, name, site)


def options_at(options: Options, address: Address) -> Options:
    """`options` for the server of `address`: its site speaks where neither argv nor the environment did."""
    site = address.site if isinstance(address, SiteAddress) else None
    return options if site is None else laid_over(options, site.given())
