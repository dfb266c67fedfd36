"""Base URLs that a secret is sent to."""

from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
DEFAULT_PORTS = {"http": 80, "https": 443}


def scheme_and_host(url: str) -> tuple[str, str]:
    """Empty ones where it is no URL. No error of the parser may get out: it quotes the password."""
    try:
        parts = urlsplit(url)
        return (parts.scheme, parts.hostname) if parts.hostname and parts.port != 0 else ("", "")
    except ValueError:
        return "", ""


def check_https(url: str, why: str) -> str:
    """The URL as it is. `why` it must be https: what would be read on its way. Raises: ValueError."""
    # First of all, for the parser would take some of them out by itself.
    if any(sign.isspace() or not sign.isprintable() for sign in url):
        raise ValueError("must have no white space and no control characters")
    scheme, host = scheme_and_host(url)
    if scheme not in ("http", "https"):
        raise ValueError("must look like https://host")
    if scheme == "http" and host not in LOOPBACK:
        raise ValueError(f"must be https outside loopback: {why}")
    if any(sign in url for sign in "@?#"):
        raise ValueError("must be a base URL alone, without credentials, query or fragment")
    return url


def https_outside_loopback(url: str) -> str:
    """Of Teli: the URL without its last slash. Raises: ValueError."""
    return check_https(url, "the Teli key travels in a header").rstrip("/")


def origin(url: str) -> str:
    """Scheme, host and port, in one spelling."""
    parts = urlsplit(url)
    port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    return f"{parts.scheme}://{parts.hostname}:{port}"
