"""Whether a browser sent this request from our own pages."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from mlpi.errors import CrossSite

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def refuse_cross_site(method: str, headers: Mapping[bytes, bytes]) -> None:
    """Raises CrossSite when another site caused a request that could change something.

    Browsers send Sec-Fetch-Site only over https and on localhost; on a plain-HTTP LAN the
    Origin decides. A client that sends neither is no browser, and carries no one's cookies
    unknowingly.
    """
    if method in SAFE_METHODS:
        return
    site = headers.get(b"sec-fetch-site", b"").decode("latin-1")
    if site:
        if site not in ("same-origin", "none"):
            raise CrossSite
        return
    origin = headers.get(b"origin", b"").decode("latin-1")
    if not origin:
        return
    # Host alone is compared: a TLS-ending proxy in front changes the scheme.
    if urlsplit(origin).netloc.lower() != headers.get(b"host", b"").decode("latin-1").lower():
        raise CrossSite
