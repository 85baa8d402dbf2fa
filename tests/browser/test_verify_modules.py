"""The modules of the page /verify by themselves: hashing, trees, and what they may load."""

from __future__ import annotations

import base64

import pytest
from playwright.sync_api import Page

from api.web.rendering import SCRIPTS, asset, asset_address
from tests.support.logs import fixtures


def test_hashing_is_that_of_the_browser(verifying: Page) -> None:
    wrong = verifying.evaluate(
        """async (address) => {
          const { sha256 } = await import(address);
          const wrong = [];
          for (const size of [...Array(260).keys(), 1000, 65535, 65536, 1000003]) {
            const data = crypto.getRandomValues(new Uint8Array(Math.min(size, 65536)));
            const whole = new Uint8Array(size).map((_, i) => data[i % data.length]);
            const theirs = new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
            const cut = Math.floor(size / 3);
            for (const ours of [sha256(whole), sha256(whole.subarray(0, cut), new Uint8Array(0), whole.subarray(cut))])
              if (ours.join() !== theirs.join()) wrong.push(size);
          }
          return wrong;
        }""",
        asset_address("sha256.js"),
    )
    assert wrong == []


def test_vectors_of_inclusion_proofs(verifying: Page) -> None:
    cases = [case for _, case in fixtures("merkle/inclusion")]
    if not cases:
        pytest.skip("shared fixtures absent")
    holds = verifying.evaluate(
        """async ([address, cases]) => {
          const { rootFromPath } = await import(address);
          const bytes = (text) => Uint8Array.from(atob(text ?? ""), (c) => c.charCodeAt(0));
          return cases.map((one) => {
            const path = (one.proof ?? []).map(bytes);
            const root = rootFromPath(bytes(one.leafHash), BigInt(one.leafIdx), BigInt(one.treeSize), path);
            return root !== null && root.join() === bytes(one.root).join();
          });
        }""",
        [asset_address("merkle.js"), cases],
    )
    # A hash of another length is refused where it is read.
    whole = [
        all(len(base64.b64decode(node)) == 32 for node in (case["leafHash"], *(case["proof"] or []))) for case in cases
    ]
    wrong = [case for case, held, sized in zip(cases, holds, whole, strict=True) if sized and held == case["wantErr"]]
    assert wrong == []
    assert len(cases) > 50


@pytest.mark.parametrize("name", SCRIPTS)
def test_modules_are_short_and_load_only_what_comes_before_them(name: str) -> None:
    source = asset(name).decode()
    assert len(source.splitlines()) <= 300
    loaded = [line.split('"./')[1].split('"')[0] for line in source.splitlines() if ' from "./' in line]
    assert set(loaded) <= set(SCRIPTS[: SCRIPTS.index(name)])
    assert "http:" not in source
    assert "https:" not in source.replace("https:\\/\\/id\\.gs1\\.org\\/", "")
    assert [line for line in source.splitlines() if len(line) > 120] == []
