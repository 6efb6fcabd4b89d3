"""The HTML of the gallery, the viewer and the example page. All links are relative, so they hold behind any proxy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from .build import COMMAND
from .catalog import Folder
from .html import Safe, fill, joined

PER_PAGE = 60
"""Pictures and folders on one page of the gallery."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
"""The Content-Security-Policy of every page: nothing from elsewhere, nothing inline."""


@dataclass(frozen=True, slots=True)
class Look:
    """What all pages of a server have in common.

    ``digests`` are those of the scripts and styles by name; ``thumbnail`` is the end of a thumbnail's address, or None
    where the server offers no size for one; ``title`` is what the gallery is called; ``gallery`` says whether there is
    one to go back to.
    """

    digests: Mapping[str, str]
    thumbnail: str | None
    title: str
    gallery: bool = True


@dataclass(frozen=True, slots=True)
class View:
    """One page of the gallery: a folder's entries, or what a search found.

    ``count`` is the number of all entries, ``page`` counts from 1. ``reading`` says that the source is still being
    listed, ``cut`` that it has more than are listed, ``failure`` why the listing ended early.
    """

    path: str
    entries: Sequence[Folder | str]
    count: int
    total: int
    page: int = 1
    search: str = ""
    reading: bool = False
    cut: bool = False
    failure: str = ""
    pages: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "pages", max(1, -(-self.count // PER_PAGE)))


def gallery(view: View, look: Look) -> Safe:
    """Return a page of the gallery."""
    content = fill(
        "gallery",
        crumbs=joined(_crumbs(view.path, look)),
        folder=view.path,
        search=view.search,
        where=view.path.rpartition("/")[2] or "all folders",
        state="reading" if view.reading else "done",
        status=_status(view),
        notes=joined([fill("note", text=text) for text in _notes(view)]),
        cards=joined([_card(entry, view, look) for entry in view.entries]),
        pager=_pager(view),
        manifest=f"manifest/{quote(view.path)}",
    )
    title = view.path.rpartition("/")[2] or look.title
    return _page(f"{title} - iiifkit", "./", "gallery", content, look)


def viewer(identifier: str, look: Look) -> Safe:
    """Return the page that shows one image."""
    folder, _, name = identifier.rpartition("/")
    back = "../../" + (f"?{urlencode({'folder': folder})}" if folder else "")
    content = fill(
        "viewer",
        name=name or "no picture",
        identifier=identifier,
        back=fill("back", address=back) if look.gallery else Safe(""),
        manifest=f"../../manifest/{quote(identifier)}",
        icons=fill("icons"),
        panel=fill("panel", extra=fill("view_controls"), manifest=f"../../manifest/{quote(identifier)}"),
    )
    return _page(f"{name or 'Viewer'} - iiifkit", "../../", "viewer", content, look)


def example(identifier: str, look: Look) -> Safe:
    """Return go-iiif's example page: an image in Leaflet."""
    content = fill(
        "example",
        identifier=identifier,
        viewer=f"../iiifkit/viewer/?{urlencode({'id': identifier})}",
        icons=fill("icons"),
        panel=fill("panel", extra=Safe(""), manifest=f"../manifest/{quote(identifier)}"),
    )
    return _page(f"{identifier} - iiifkit", "../", "example", content, look)


def missing(look: Look) -> Safe:
    """Return the page that is shown while scripts and styles are not built."""
    return fill("missing", command=COMMAND, title=look.title)


def _page(title: str, root: str, script: str, content: Safe, look: Look) -> Safe:
    def address(name: str) -> str:
        return f"{root}iiifkit/static/{name}?v={look.digests.get(name, '')}"

    return fill(
        "page",
        title=title,
        style=address(f"{script}.css"),
        script=address(f"{script}.js"),
        icon=address("icon.svg"),
        kind=script,
        content=content,
    )


def _address(path: str = "", search: str = "", page: int = 1) -> str:
    """Return the address of a page of the gallery, relative to it."""
    given = {"folder": path, "search": search, "page": str(page) if page > 1 else ""}
    query = urlencode({name: value for name, value in given.items() if value})
    return f"./?{query}" if query else "./"


def _crumbs(path: str, look: Look) -> list[Safe]:
    names = path.split("/") if path else []
    steps = [(look.title, "")] + [(name, "/".join(names[: depth + 1])) for depth, name in enumerate(names)]
    return [fill("crumb", name=name, address=_address(step)) for name, step in steps[:-1]] + [
        fill("crumb_last", name=steps[-1][0])
    ]


def _status(view: View) -> str:
    if view.reading:
        return f"Reading the folder: {_number(view.total)} pictures so far."
    if view.search:
        return f"{_number(view.count)} found"
    pictures = "1 picture" if view.total == 1 else f"{_number(view.total)} pictures"
    return pictures if view.total else "There are no pictures here."


def _notes(view: View) -> list[str]:
    notes = []
    if view.cut:
        notes.append("There are more pictures than are listed here; each can still be opened by its name.")
    if view.failure:
        notes.append(view.failure)
    return notes


def _card(entry: Folder | str, view: View, look: Look) -> Safe:
    if isinstance(entry, Folder):
        return fill(
            "card_folder",
            name=entry.name,
            address=_address(entry.path),
            count=_number(entry.total),
            picture=_thumbnail(entry.cover, look),
        )
    prefix = f"{view.path}/" if view.path else ""
    return fill(
        "card",
        name=entry[len(prefix) :] if view.search else entry.rpartition("/")[2],
        address=f"./iiifkit/viewer/?{urlencode({'id': entry})}",
        picture=_thumbnail(entry, look),
    )


def _thumbnail(identifier: str, look: Look) -> Safe:
    if look.thumbnail is None or not identifier:
        return Safe("")
    return fill("thumbnail", address=f"./iiif/3/{quote(identifier, safe='')}/{look.thumbnail}")


def _pager(view: View) -> Safe:
    if view.pages == 1:
        return Safe("")

    def step(page: int, name: str, relation: str) -> Safe:
        if not 1 <= page <= view.pages:
            return fill("pager_off", name=name)
        return fill("pager_step", name=name, relation=relation, address=_address(view.path, view.search, page))

    return fill(
        "pager",
        page=_number(view.page),
        pages=_number(view.pages),
        first=step(1 if view.page > 1 else 0, "First", "first"),
        previous=step(view.page - 1, "Previous", "prev"),
        next=step(view.page + 1, "Next", "next"),
        last=step(view.pages if view.page < view.pages else 0, "Last", "last"),
    )


def _number(number: int) -> str:
    return f"{number:,}"
