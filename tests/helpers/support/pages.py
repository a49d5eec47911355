"""Reports taken apart: tags, text, sections and the tables inside."""

from __future__ import annotations

import base64
import gzip
import io
import re
from html.parser import HTMLParser

import pandas as pd

VOID = {"meta", "br", "link"}


class Page(HTMLParser):
    """Collects tags and text, and checks that each tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def section(text: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', text, re.DOTALL)
    assert found is not None
    return found[0]


def downloads(text: str) -> dict[str, pd.DataFrame]:
    frames = {}
    for name, kind, content in re.findall(
        r'download="([^"]+)" href="data:([^;]+)[^,]*;base64,([^"]+)"', text
    ):
        raw = base64.b64decode(content)
        if kind != "text/plain":
            frames[name] = pd.read_csv(io.BytesIO(gzip.decompress(raw) if name.endswith(".gz") else raw))
    return frames
