"""The frame of a drawing in a page: named and described for those who do not see it."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True, slots=True)
class Caption:
    """What a drawing is called and shows; `identifier` makes the ids of both unique in the page."""

    identifier: str
    title: str
    description: str


def framed(body: str, caption: Caption, *, css_class: str, role: str, width: int, height: int) -> str:
    """Return an SVG element around `body`, which is markup already.

    `role` is `img` for a drawing that is one picture and `group` for one that holds links.
    """
    name = caption.identifier
    return (
        f'<svg class="{css_class}" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="{role}"'
        f' aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{escape(caption.title)}</title>'
        f'<desc id="{name}-desc">{escape(caption.description)}</desc>{body}</svg>'
    )
