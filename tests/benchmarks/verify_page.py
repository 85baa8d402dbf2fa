"""The page /verify: how long a browser takes to check a bundle of 1,000 events, and to hash what a tree hashes."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
import statistics

from playwright.sync_api import Page, sync_playwright

from api.web.rendering import asset_address
from tests.api.conftest import serving
from tests.browser.conftest import FLAGS
from tests.browser.verifiers import page_only
from tests.support.bundles import bundle_of
from tests.support.logs import KEY, MadeUpLog, pallet_parts, stored_event
from traceability.ledger.access import SHAREABLE_PARTS

EVENTS = 1_000
LEAVES = 20_000
ITEMS = 20
ROUNDS = 7
HASHES = 10_000

_CHECK = """async ([address, file, vkey]) => {
  const load = (name) => import(address.replace("verify.js", name));
  const [{ verifyBundle }, { Trust }] = [await load("bundle.js"), await load("trust.js")];
  const data = Uint8Array.from(atob(file), (c) => c.charCodeAt(0));
  const began = performance.now();
  await verifyBundle(data, Trust.parse(vkey));
  return performance.now() - began;
}"""
_HASH = """async ([address, count]) => {
  const { sha256 } = await import(address);
  let node = new Uint8Array(65);
  let began = performance.now();
  for (let i = 0; i < count; i++) node.set(sha256(node), 1);
  const ours = performance.now() - began;
  began = performance.now();
  for (let i = 0; i < count; i++) node.set(new Uint8Array(await crypto.subtle.digest("SHA-256", node)), 1);
  return [ours, performance.now() - began].map((all) => (1000 * all) / count);
}"""


def main() -> None:
    """Print what was measured."""
    chosen = sorted(random.Random(7).sample(range(LEAVES), EVENTS))  # far apart: the most that a proof can take
    log = MadeUpLog()
    log.grow(LEAVES)
    for i in chosen:
        log.records[i] = stored_event(i, pallet_parts(ITEMS))
    log.integrate()
    bundle = bundle_of(log, chosen, extent=SHAREABLE_PARTS)
    with serving(page_only()) as client, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=FLAGS, chromium_sandbox=os.geteuid() != 0
        )
        page = browser.new_page()
        page.goto(f"{client.base_url}/verify", wait_until="networkidle")
        measure(page, bundle)
        browser.close()


def measure(page: Page, bundle: bytes) -> None:
    arguments = [asset_address("verify.js"), base64.b64encode(bundle).decode(), KEY.verifier.text]
    first, *others = [page.evaluate(_CHECK, arguments) for _ in range(ROUNDS)]
    ours, theirs = page.evaluate(_HASH, [asset_address("sha256.js"), HASHES])
    print(
        json.dumps(
            {
                "benchmark": "verify_page",
                "events": EVENTS,
                "items_per_event": ITEMS + 1,
                "leaves": LEAVES,
                "bundle_bytes": len(bundle),
                "first_ms": round(first),
                "again_ms": round(statistics.median(others)),
                "least_ms": 3000,
                "aim_ms": 1000,
                "node_hash_us": round(ours, 2),
                "node_hash_webcrypto_us": round(theirs, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
