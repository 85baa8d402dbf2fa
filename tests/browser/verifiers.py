"""The two verifiers of receipts and bundles side by side: the page's modules in Chromium, and Python's."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any

from fastapi import FastAPI
from playwright.sync_api import Page

from api.middleware import SecurityHeaders
from api.web import routes, verify_page
from api.web.rendering import asset_address
from traceability.notary.archive import MARK
from traceability.notary.errors import VerificationError
from traceability.notary.note import Algorithm, VerifierKey
from traceability.notary.policy import Policy
from traceability.notary.receipt import OpenWhat
from traceability.notary.trust import Trust
from traceability.notary.verify import VerifiedReceipt, verify

Agree = Callable[..., list[str | None]]
"""Ask both verifiers about files, who must tell the same, and give the codes; None is a file that holds."""

_MALFORMED = "log.verification"
_JUDGE = """async ([address, files, trusted]) => {
  const load = (name) => import(address.replace("verify.js", name));
  const { VerificationError, bytesOfBase64 } = await load("encoding.js");
  const { verifyReceipt } = await load("receipt.js");
  const { verifyBundle } = await load("bundle.js");
  const { Trust } = await load("trust.js");
  const { isZip } = await load("zip.js");
  const { eventIdOf, closedParts } = await load("opening.js");
  const event = (opening) => [
    eventIdOf(opening), String(opening.recordedAt), closedParts(opening),
    opening.parts[1].digest ? null : [opening.parts[1].count, opening.parts[1].items.map((item) => Number(item.index))],
  ];
  const head = (head) => [
    head.checkpoint.origin, String(head.checkpoint.size), head.quorum,
    head.cosignatures.map((one) => [one.key.name, String(one.seconds)]),
  ];
  const seen = [];
  for (const file of files) {
    const data = bytesOfBase64(file, "a file");
    try {
      const trust = Trust.parse(trusted);
      if (isZip(data)) {
        const { logs, unchecked } = await verifyBundle(data, trust);
        seen.push({
          code: null,
          unchecked,
          logs: logs.map((log) => [head(log.head), log.indices.map(String), log.openings.map(event)]),
        });
      } else {
        const { opening, index, head: signed } = await verifyReceipt(data, trust);
        seen.push({ code: null, event: event(opening), index: String(index), head: head(signed) });
      }
    } catch (error) {
      if (!(error instanceof VerificationError)) throw error;
      seen.push({ code: error.code });
    }
  }
  return seen;
}"""


def page_only() -> FastAPI:
    """An application of the page /verify and its files, which needs no database."""
    app = FastAPI()
    app.add_middleware(SecurityHeaders, https=False)
    app.include_router(verify_page.router)
    app.include_router(routes.router)
    app.get("/logs")(_no_logs)
    return app


def _no_logs() -> list[str]:
    return []


def by_page(page: Page, files: Sequence[bytes], trusted: str) -> list[dict[str, Any]]:
    """What the page's modules say of each file; `page` shows /verify. Any other error than ours is raised."""
    encoded = [base64.b64encode(file).decode() for file in files]
    seen: list[dict[str, Any]] = page.evaluate(_JUDGE, [asset_address("verify.js"), encoded, trusted])
    return seen


def by_python(data: bytes, trusted: str) -> dict[str, Any]:
    """What Python says of a file, in the same form."""
    try:
        verified = verify(data, _trust(trusted))
    except VerificationError as error:
        return {"code": error.code}
    if isinstance(verified, VerifiedReceipt):
        return {
            "code": None,
            "event": _event(verified.opening),
            "index": str(verified.index),
            "head": _head(verified.signed),
        }
    return {
        "code": None,
        "unchecked": list(verified.unchecked),
        "logs": [
            [_head(log.signed), list(map(str, log.indices)), list(map(_event, log.openings))] for log in verified.logs
        ],
    }


def _trust(text: str) -> Trust:
    if "quorum" in text:
        return Trust(policy=Policy.parse(text.encode()))
    keys = [VerifierKey.parse(line) for line in text.splitlines()]
    return Trust(
        tuple(key for key in keys if key.algorithm is Algorithm.ED25519),
        tuple(key for key in keys if key.algorithm is Algorithm.COSIGNATURE),
    )


def _event(opening: Any) -> list[Any]:
    what = opening.parts[1]
    items = [what.count, [item.index for item in what.items]] if isinstance(what, OpenWhat) else None
    return [str(opening.event_id), str(opening.recorded_at), opening.closed(), items]


def _head(signed: Any) -> list[Any]:
    checkpoint = signed.checkpoint
    cosignatures = [[name, str(seconds)] for name, seconds in signed.cosignatures]
    return [checkpoint.origin, str(checkpoint.size), signed.quorum, cosignatures]


def both(page: Page, trusted: str, files: Sequence[bytes | str]) -> list[str | None]:
    """Ask both verifiers about files, who must tell the same, and return the codes; None is a file that holds."""
    data = [file.encode() if isinstance(file, str) else file for file in files]
    theirs = by_page(page, data, trusted)
    for file, told in zip(data, theirs, strict=True):
        ours = by_python(file, trusted)
        # Of several things that are wrong with a bundle, one is found first, and not by both the same.
        if not file.startswith(MARK) or None in (told["code"], ours["code"]):
            assert _plainly(told) == _plainly(ours), file
    return [told["code"] for told in theirs]


def _plainly(told: dict[str, Any]) -> dict[str, Any]:
    # Whether a member is repeated before the text stops being JSON depends on how it is read.
    return {**told, "code": _MALFORMED} if told["code"] == "log.repeated_member" else told
