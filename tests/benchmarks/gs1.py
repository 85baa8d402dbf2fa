"""Digital Links parsed and made canonical, beside PyPI `biip` on the same links in the same run.

    python -m tests.benchmarks.gs1 [--rounds 30]

Prints JSON. The two take turns in short slices and no link is met twice; figures are medians of the slices, in seconds
of the processor. `identifier` is what capture does with a link, `whole` keeps and checks its attributes as `biip` does,
`any text` is what `traceability gs1 parse` does before it prints.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator

from biip.gs1_digital_link_uris import GS1DigitalLinkURI

from tests.benchmarks._machine import machine
from traceability.gs1.check_digits import check_digit
from traceability.gs1.identifiers import parse_identifier
from traceability.gs1.links import link_of, read_link
from traceability.gs1.reading import read_value

SLICE = 600
ROUNDS = 30


def links(per_product: int) -> Iterator[str]:
    """Yield links of which none is like another, so many in a row of one product."""
    number = 0
    while True:
        body = f"0952{number // per_product * 7919 % 10**9:09}"
        gtin = body + check_digit(body)
        yield f"https://id.gs1.org/01/{gtin}/21/{number}"
        yield f"https://dairy.example/01/{gtin}/10/L.{number % 50}/21/A{number}?17=271231"
        yield f"https://dairy.example/shop/01/{gtin}/10/{number}?17=271231&3103=000195"
        yield f"https://id.gs1.org/8004/9521234A{number}"
        number += 1


def by_biip(text: str) -> str:
    return GS1DigitalLinkURI.parse(text).as_canonical_uri()


OURS: dict[str, Callable[[str], object]] = {
    "identifier": lambda text: parse_identifier(text).uri,
    "whole": lambda text: link_of(read_link(text)),
    "any text": read_value,
}


def seconds_a_link(work: Callable[[str], object], texts: list[str]) -> float:
    start = time.process_time()
    for text in texts:
        work(text)
    return (time.process_time() - start) / len(texts)


def measured(per_product: int, rounds: int) -> dict[str, float]:
    source = links(per_product)
    taken: dict[str, list[float]] = {name: [] for name in (*OURS, "biip")}
    for _ in range(rounds):
        for name, work in {**OURS, "biip": by_biip}.items():
            texts = [next(source) for _ in range(SLICE)]
            taken[name].append(seconds_a_link(work, texts))
    return {name: statistics.median(times) for name, times in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    for text, _ in zip(links(1), range(40), strict=False):
        assert by_biip(text) == link_of(read_link(text)).replace("https://dairy.example", "https://id.gs1.org")
    print(json.dumps({"benchmark": "machine", **machine()}), flush=True)
    for per_product in (1, 100):
        times = measured(per_product, rounds)
        for name in OURS:
            figures = {
                "benchmark": "gs1",
                "work": name,
                "links_of_a_product": per_product,
                "links_a_second": round(1 / times[name]),
                "biip_links_a_second": round(1 / times["biip"]),
                "ratio_to_biip": round(times["biip"] / times[name], 1),
            }
            print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
