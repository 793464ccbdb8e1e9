"""Check the links of the built documentation, without a network.

    python docs/check_links.py HTML

Each link, picture and style sheet within the documentation must be there, with the place in a page
that it names, and each page must be two clicks from the first one at most. Links to other sites are
not looked at: ``sphinx-build -b linkcheck docs OUT`` asks for each of them.
"""

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

#: Pages that nobody looks for: former names that lead on, and what Sphinx adds.
PASSED_OVER = ("genindex.html", "py-modindex.html", "search.html")
CLICKS = 2


class Page(HTMLParser):
    """What a page links to, and the places in it that may be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.files: list[str] = []
        self.places = {"", "top"}
        self.leads_on = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        given = {key: value for key, value in attrs if value is not None}
        self.places.update(given[key] for key in ("id", "name") if key in given)
        self.leads_on |= given.get("http-equiv", "").lower() == "refresh"
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in ("img", "script", "link") and given.get("rel") != "canonical":
            self.files += [given[key] for key in ("src", "href") if key in given]


def read_pages(root: Path) -> dict[str, Page]:
    """Read all pages by their paths in the documentation."""
    return {
        path.relative_to(root).as_posix(): Page(path.read_text(encoding="utf-8"))
        for path in sorted(root.rglob("*.html"))
        if "_static" not in path.parts
    }


def targets(name: str, links: list[str]) -> Iterator[tuple[str, str, str]]:
    """Give links within the documentation, the page or file that each is to, and the place."""
    for link in links:
        parts = urlsplit(link)
        if not parts.scheme and not parts.netloc:
            path = urljoin(name, unquote(parts.path)) if parts.path else name
            # What follows ":~:" is text that a browser looks for.
            yield (
                link,
                path.removesuffix("./") or "index.html",
                unquote(parts.fragment.split(":~:")[0]),
            )


def broken(root: Path, pages: dict[str, Page]) -> Iterator[str]:
    """Name the links that lead nowhere."""
    for name, page in pages.items():
        for link, path, place in targets(name, page.links + page.files):
            if path not in pages and not (root / path).is_file():
                yield f"{name}: {link}: there is no {path}"
            elif path in pages and place not in pages[path].places and not pages[path].leads_on:
                yield f"{name}: {link}: {path} has no place {place!r}"


def far_away(pages: dict[str, Page]) -> Iterator[str]:
    """Name the pages that more clicks are needed for."""
    reached = {"index.html"}
    for _ in range(CLICKS):
        links = [found for name in reached for found in targets(name, pages[name].links)]
        reached |= {path for _, path, _ in links if path in pages}
    for name, page in pages.items():
        if name not in reached and not page.leads_on and not name.endswith(PASSED_OVER):
            yield f"{name}: more than {CLICKS} clicks from the first page"


if __name__ == "__main__":
    root = Path(sys.argv[1])
    pages = read_pages(root)
    faults = list(dict.fromkeys([*broken(root, pages), *far_away(pages)]))
    print("\n".join([*faults, f"{len(pages)} pages, {len(faults)} faults"]))
    sys.exit(bool(faults) or not pages)
