"""A built site, read back from its files."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .made_up import DOCS


class Page(HTMLParser):
    """Links, ids, pictures, and what a browser would fetch."""

    def __init__(self, path: Path):
        super().__init__()
        self.links, self.ids, self.images, self.fetched = [], set(), [], []
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.update(filter(None, (attrs.get("id"), tag == "a" and attrs.get("name"))))
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        if tag == "img":
            self.images.append(attrs)
        if tag in ("script", "img", "iframe", "source", "video") and attrs.get("src"):
            self.fetched.append(attrs["src"])
        if tag == "link" and set((attrs.get("rel") or "").split()) & {
            *("stylesheet", "preload", "modulepreload", "icon", "preconnect", "dns-prefetch"),
        }:
            self.fetched.append(attrs["href"])


class Site:
    def __init__(self, root: Path, seconds: float):
        self.root, self.seconds = root, seconds
        # Below _static the theme leaves a template of its own.
        paths = [path for path in root.rglob("*.html") if "_static" not in path.parts]
        self.pages = {path: Page(path) for path in paths}

    def page(self, name: str) -> Page:
        return self.pages[self.root / name]

    def ids(self, target: Path) -> set[str]:
        return self.pages[target].ids

    def broken_links(self) -> list[str]:
        broken = []
        for path, page in self.pages.items():
            for link in page.links + page.fetched:
                url = urlsplit(link)
                if url.scheme or url.netloc:
                    continue
                target = path if not url.path else (path.parent / unquote(url.path)).resolve()
                if not target.is_file():
                    broken.append(f"{path.name}: {link}")
                elif url.fragment and unquote(url.fragment) not in self.ids(target):
                    broken.append(f"{path.name}: {link} (no such place)")
        return broken

    def bytes_of(self, name: str) -> int:
        """Size of a page with its pictures; what all pages share is fetched once."""
        path = self.root / name
        pictures = {image["src"] for image in self.pages[path].images}
        files = [path.parent / src for src in pictures if "/_images/" in src]
        return path.stat().st_size + sum(file.stat().st_size for file in files)

    def pictures_without_alt(self) -> list[str]:
        return [
            f"{path.name}: {image.get('src', '')[:80]}"
            for path, page in self.pages.items()
            for image in page.images
            if not (image.get("alt") or "").strip() or image["alt"] == image.get("src")
        ]

    def fetched_from_elsewhere(self) -> list[str]:
        remote = [
            f"{path.name}: {url}"
            for path, page in self.pages.items()
            for url in page.fetched
            if urlsplit(url).netloc
        ]
        for css in self.root.rglob("*.css"):
            text = css.read_text(encoding="utf-8")
            remote += re.findall(r"(?:@import\s+|url\()['\"]?(?:https?:)?//[^'\")]+", text)
        return remote


def build(tmp_path: Path, notebooks: Path, *, api: bool) -> Site:
    """Build a copy of ``docs/`` with every warning an error."""
    source = tmp_path / "docs"
    ignored = shutil.ignore_patterns("_build", "_generated", "chapters", "eccvkit*.rst")
    shutil.copytree(DOCS, source, ignore=ignored)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    settings = ["-D", f"eccvkit_notebooks={notebooks}", "-D", f"eccvkit_api={int(api)}"]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, *settings, str(source), str(tmp_path / "html")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""
    return Site(tmp_path / "html", time.perf_counter() - start)
