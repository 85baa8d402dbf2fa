"""One reading of a partner's EPCIS repository: page after page of what was recorded there since the last time.

`GET /events` with GE_recordTime and the order of recordTime (EPCIS 2.0 §12.7). The capture job of a page is committed
together with the progress behind it, so a reading that is killed goes on with the next page, and one whose page token
has expired meanwhile with the last recordTime that is here.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import orjson
import psycopg

from adapters.outgoing import TOO_LARGE, Answer, Outgoing
from adapters.postgres.partners import Held
from adapters.postgres.sealed import partner_place
from api.partners.capturing import as_document, hand_over
from api.partners.fresh import Fresh, fresh
from api.partners.reading import Reading
from traceability.errors import UnavailableError
from traceability.ledger.event import utc_text
from traceability.ledger.partners import Accept, Partner, Progress

PER_PAGE: Final = 500
MOST_BYTES: Final = 1 << 26
"""Of a page, which is read into memory."""
_FEWER: Final = 8
_OK: Final = 200
_EXPIRED: Final = (400, 404, 410)
"""What is answered for a page token that has ended; standing implementations do not agree on one."""
_ACCEPT: Final = {
    Accept.JSON: "application/ld+json, application/json;q=0.9",
    Accept.XML: "application/xml",
}
_LINK: Final = re.compile(r'<([^>]*)>((?:\s*;\s*[\w*-]+(?:\s*=\s*(?:"[^"]*"|[^\s",;]+))?)*)')
_NEXT: Final = re.compile(r';\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next(?![\w-]))', re.IGNORECASE).search


def pull(reading: Reading, outgoing: Outgoing) -> None:
    """Read a repository to its end.

    A page that is longer than is taken is asked for again with fewer events. Raises `UnavailableError`: what
    `Outgoing.send` does, `partner.refused` for an answer that is none, `partner.link`
    for a next page that cannot be found, `secrets.key` for a secret that cannot be read.
    """
    engine, partner = reading.engine, reading.held.partner
    secret = _secret(reading)
    headers = _headers(partner, secret)
    restarted: set[int | None] = set()
    seen: set[str] = set()
    per_page = PER_PAGE
    while True:
        reading.beat()
        progress = reading.progress.begun(engine.clock.now_us())
        asked = progress.next or _first_query(partner.address, progress.since(partner.overlap_us), per_page)
        try:
            answer = outgoing.send("GET", query=asked, headers=headers, most=MOST_BYTES)
        except UnavailableError as error:
            if error.code != TOO_LARGE or per_page == 1:
                raise
            # Events may be long, and a page of fewer is read; a token may hold how many were asked for.
            per_page = max(1, per_page // _FEWER)
            seen.clear()
            reading.progress = progress.restarted()
            continue
        # Once at each cursor: a partner whose tokens never hold would be asked the same for ever.
        if progress.next is not None and answer.status in _EXPIRED and progress.cursor not in restarted:
            restarted.add(progress.cursor)
            seen.clear()
            reading.progress = progress.restarted()
            continue
        if answer.status != _OK:
            raise _refused(reading.held, answer, secret)
        seen.add(asked)
        following = _next_query(answer, secret)
        if following in seen:
            raise UnavailableError("The partner's next page is one that came before it", code="partner.link")
        document = as_document(engine, partner, answer.content, answer.headers.get("content-type", ""))
        new = fresh(engine, partner.organisation, document, progress.had)
        times = new.times or ([progress.began] if new.events and progress.began is not None else [])
        behind = progress.after(times, new.digests, following)
        job = hand_over(
            engine, partner, new.document, partner.address, partial(_advance, reading, behind, new), held=True
        )
        reading.progress = behind
        if job is not None:
            reading.run(job)
        reading.count(new.events)
        if following is None:
            return


def _advance(reading: Reading, behind: Progress, new: Fresh, connection: psycopg.Connection, _: UUID | None) -> None:
    reading.partners.advance(connection, reading.held, behind, received=new.events, known=new.known)


def _first_query(address: str, since: int | None, per_page: int) -> str:
    asked = {"orderBy": "recordTime", "orderDirection": "ASC", "perPage": str(per_page)}
    if since is not None:
        asked["GE_recordTime"] = utc_text(since)
    own = urlsplit(address).query
    return "&".join(filter(None, (own, urlencode(asked))))


def _secret(reading: Reading) -> str | None:
    held = reading.held
    return None if held.secret is None else reading.engine.secrets.open(held.secret, partner_place(held.partner.name))


def _headers(partner: Partner, secret: str | None) -> dict[str, str]:
    headers = {"Accept": _ACCEPT[partner.accept], "GS1-EPCIS-Min": "2.0.0", "GS1-EPCIS-Max": "2.0.0"}
    if partner.header is not None and secret is not None:
        headers[partner.header] = secret
    return headers


def _next_query(answer: Answer, secret: str | None) -> str | None:
    """Return the query of the next page, None on the last one.

    Only the query is taken from the link: what the partner is sent, its secret for one, goes to no other address.
    """
    text = answer.headers.get("link")
    if not text:
        return None
    links = list(_LINK.finditer(text))
    if not links:
        raise UnavailableError(
            f"The partner's link to the next page is none{_quoted(text, secret, most=100)}",
            code="partner.link",
            hint='EPCIS 2.0 has it as Link: <…?nextPageToken=…>; rel="next".',
        )
    for link in links:
        if _NEXT(link[2]):
            query = urlsplit(link[1]).query
            if not query:
                raise UnavailableError("The partner's link to the next page has no query", code="partner.link")
            return query
    return None


def _refused(held: Held, answer: Answer, secret: str | None) -> UnavailableError:
    detail = ""
    try:
        problem = orjson.loads(answer.content)
        detail = str(problem.get("detail") or problem.get("title") or "")
    except (orjson.JSONDecodeError, AttributeError):
        pass
    hint = "Its key may be wrong or have been revoked." if answer.status in (401, 403) else ""
    return UnavailableError(
        f"{held.partner.name} answers with status {answer.status}{_quoted(detail, secret, most=300)}",
        code="partner.refused",
        hint=hint,
    )


def _quoted(text: str, secret: str | None, *, most: int) -> str:
    """Return the beginning of what a partner said, nothing of it if it repeats our secret: this is logged and kept.

    Of `Bearer trace_…` the secret is the second word.
    """
    words = [] if secret is None else secret.split(" ", 1)[-1].split()
    return f": {text[:most]!a}" if text and not any(word in text for word in words) else ""
