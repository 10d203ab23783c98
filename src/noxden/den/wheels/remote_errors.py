"""What OpenDAL says when something fails, in a few words with the next step.

Its errors are several classes, and ``OSError`` where a file is read, with one text: kind, whether
it is temporary, the answer of the server with its headers, what the server said. The text
names URLs, which can be signed, so no part of it is shown but what stands here.
"""

from __future__ import annotations

import email.utils
import re
import time

from noxden.den.wheels.objects import SilentError
from noxden.den.wheels.patience import UnreachableError
from noxden.den.wheels.sources import AbsentError, SourceError
from noxden.tools.http import read_retry_after

__all__ = ["explain_opendal", "explain_status", "is_unsent"]

_EXCEPTIONS = "opendal.exceptions"
_WORDS = {
    # What the stores say themselves, in the body of an answer.
    r"ExpiredToken|TokenRefreshRequired|token.{0,20}expired": (
        "its credentials have expired: renew them"
    ),
    r"RequestTimeTooSkewed|RequestExpired": "the clock of this machine is wrong: set it",
    r"InvalidAccessKeyId|SignatureDoesNotMatch|AuthenticationFailed|InvalidToken": (
        "does not know these credentials: set the variables of the provider"
    ),
    r"NoSuchBucket|ContainerNotFound": "there is no such bucket: make it, or correct its name",
    r"PermanentRedirect|AuthorizationHeaderMalformed|status: 301": (
        "the bucket is in another region: append ?region=NAME"
    ),
    r"SlowDown": "asks for fewer requests",
    # What happens before a request is sent.
    r"failed to load signing credential": (
        "no credentials are found: set the variables of the provider, or append ?anonymous=1"
    ),
    r"invalid account_key": "AZURE_STORAGE_KEY is not in base64: correct it",
    r"timeout must be": "UV_HTTP_TIMEOUT is to be a number of seconds above 0",
    r"^ConfigInvalid": "cannot be set up: see its URI and the variables of the provider",
    # What happens to a connection, or on a disk.
    r"invalid peer certificate": "its certificate is not trusted (SSL_CERT_FILE names others)",
    r"error sending request": "cannot be reached",
    r"error decoding response body|too little data": "the connection ended early",
    r"No space left|StorageFull": "its disk is full",
    r"Read-only file system|Permission denied": "this user may not read or write it",
}
_SILENT = re.compile(r"operation timeout reached")
_UNREACHABLE = re.compile(r"Connection refused|dns error|Network is unreachable")
_STATUS = re.compile(r"response: Parts \{ status: (\d{3})")
_AFTER = re.compile(r'"retry-after": "([^"]*)"')
_DATE = re.compile(r'"date": "([^"]*)"')
_GONE = {404, 410}
_REFUSED = {401, 403}
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_STATUSES = {
    **{
        status: f"answers {status}, an address elsewhere: write that into the URI"
        for status in (301, 302, 303, 307, 308)
    },
    429: "asks for fewer requests (429)",
    507: "its disk is full (507)",
}
_SKEW_S = 300.0
"""From here on S3 and Azure refuse signatures, or will soon."""


def explain_opendal(error: Exception) -> SourceError:
    """What the error of an operator is for noxden.

    OpenDAL's exceptions have no root of their own, so its callers catch all; what is neither
    OpenDAL's nor the system's is a bug, and raised on.
    """
    if not isinstance(error, OSError) and type(error).__module__ != _EXCEPTIONS:
        raise error
    said = str(error).partition("Backtrace")[0]
    if _SILENT.search(said):
        return SilentError("does not answer in time", again=True)
    if _UNREACHABLE.search(said):
        return UnreachableError("cannot be reached", again=True)
    kind, status = said.partition(" ")[0], _read(_STATUS, said)
    reason = next((words for sign, words in _WORDS.items() if re.search(sign, said)), "")
    if kind == "NotFound" and not reason:
        return AbsentError("not there")
    if not reason and status:
        return explain_status(int(status), _read(_AFTER, said), _read(_DATE, said))
    after_s = read_retry_after(_read(_AFTER, said), time.time())
    again = kind == "RateLimited" or "(temporary)" in said
    return SourceError(reason or f"fails with {kind}", again=again, after_s=after_s)


def is_unsent(error: Exception) -> bool:
    """Whether a request reached no server, and the error does not say why."""
    said = str(error)
    return "error sending request" in said and not _UNREACHABLE.search(said)


def explain_status(status: int, after: str, date: str) -> SourceError:
    """What an answer is for noxden by its status and the headers ``Retry-After`` and ``Date``."""
    if status in _GONE:
        return AbsentError("not there")
    reason = _STATUSES.get(status, f"answers {status}")
    if status in _REFUSED:
        reason = f"refuses access ({status}): {_explain_refusal(date)}"
    again = status in _TRY_AGAIN
    return SourceError(reason, again=again, after_s=read_retry_after(after, time.time()))


def _explain_refusal(date: str) -> str:
    """What to do where access is refused; an answer to HEAD has nothing but its date to tell."""
    skew = _compute_skew(date)
    if abs(skew) < _SKEW_S:
        return "see that the credentials are right and not expired"
    way = "behind" if skew > 0 else "ahead"
    return f"the clock of this machine is {abs(skew) / 60:.0f} min {way}, set it"


def _compute_skew(date: str) -> float:
    """Seconds by which the server's clock is ahead of this machine's; 0 where it says none."""
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() - time.time()
    except (TypeError, ValueError):
        return 0.0


def _read(pattern: re.Pattern[str], said: str) -> str:
    found = pattern.search(said)
    return found[1] if found else ""
