"""The catalog: folders, pages and searches agree with the plain list of identifiers, whatever that holds."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifkit.viewer.catalog import DEEPEST, Catalog, Folder

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=4)
IDENTIFIERS = st.lists(st.lists(NAMES, min_size=1, max_size=4).map("/".join), unique=True, max_size=30)


def filled(*identifiers: str, most: int = 1000) -> Catalog:
    catalog = Catalog()
    catalog.fill(lambda: identifiers, most=most)
    return catalog


def test_folders_come_first_then_the_folders_own_images() -> None:
    catalog = filled("b.jpg", "z/1.jpg", "a/2.jpg", "a/inner/3.jpg", "c.jpg")
    found = catalog.page("", 0, 10)
    assert found is not None
    folder, entries = found
    assert folder.total == 5
    assert [entry if isinstance(entry, str) else (entry.path, entry.total, entry.cover) for entry in entries] == [
        ("a", 2, "a/2.jpg"),
        ("z", 1, "z/1.jpg"),
        "b.jpg",
        "c.jpg",
    ]
    assert catalog.page("a/none", 0, 10) is None


@given(IDENTIFIERS, st.integers(1, 5))
def test_the_pages_of_all_folders_are_all_images(identifiers: list[str], count: int) -> None:
    catalog = filled(*identifiers)
    seen, waiting = [], [""]
    while waiting:
        path = waiting.pop()
        for start in range(0, catalog.size(path), count):
            found = catalog.page(path, start, count)
            assert found is not None
            assert 0 < len(found[1]) <= count
            for entry in found[1]:
                if isinstance(entry, Folder):
                    waiting.append(entry.path)
                else:
                    seen.append(entry)
    assert sorted(seen) == sorted(identifiers)


@given(IDENTIFIERS)
def test_a_copied_folder_walks_over_what_is_below_it(identifiers: list[str]) -> None:
    catalog = filled(*identifiers)
    for path in {identifier.rpartition("/")[0] for identifier in identifiers}:
        folder = catalog.folder(path)
        assert folder is not None
        below = [name for name in identifiers if not path or name.startswith(path + "/")]
        assert sorted(folder.walk()) == sorted(below)
        assert folder.total == len(below)


def test_a_search_finds_all_words_in_any_case_and_order_below_the_folder() -> None:
    catalog = filled("Maps/Old Rome.jpg", "Maps/New rome.jpg", "rome.jpg", "Straße.jpg")
    assert catalog.search("ROME old") == ["Maps/Old Rome.jpg"]
    assert catalog.search("rome", "Maps") == ["Maps/Old Rome.jpg", "Maps/New rome.jpg"]
    assert catalog.search("maps", "Maps") == []
    assert catalog.search("STRASSE") == ["Straße.jpg"]


def test_a_source_with_more_images_is_cut_and_says_so() -> None:
    def endless() -> Iterator[str]:
        number = 0
        while True:
            number += 1
            yield f"{number}.jpg"

    catalog = Catalog()
    catalog.fill(endless, most=1000)
    assert (len(catalog), catalog.cut, catalog.complete) == (1000, True, True)
    assert not filled("a", "b", most=2).cut


def test_what_cannot_be_part_of_an_address_is_left_out() -> None:
    catalog = filled("", "\ud800.jpg", "x" * 3000, "good.jpg")
    assert catalog.search("") == ["good.jpg"]


def test_very_deep_identifiers_stay_within_bounds() -> None:
    catalog = filled("/".join("d" * 1000) + "/x.jpg")
    path = "/".join("d" * DEEPEST)
    found = catalog.page(path, 0, 5)
    assert found is not None
    assert len(found[1]) == 1
    assert catalog.page(path + "/d", 0, 5) is None


@pytest.mark.parametrize("when", [0, 250])
def test_a_failing_source_leaves_what_it_had_listed(when: int) -> None:
    def failing() -> Iterator[str]:
        yield from (f"{number}" for number in range(when))
        raise OSError("gone")

    catalog = Catalog()
    catalog.fill(failing)
    assert isinstance(catalog.failure, OSError)
    assert catalog.complete
    assert len(catalog) == when


def test_it_can_be_looked_at_while_it_is_filled() -> None:
    catalog, go, listed = Catalog(), threading.Event(), threading.Event()

    def slow() -> Iterator[str]:
        yield from (f"{number:03}.jpg" for number in range(200))
        listed.set()
        assert go.wait(10)
        yield "last.jpg"

    thread = threading.Thread(target=catalog.fill, args=(slow,))
    thread.start()
    assert listed.wait(10)
    assert not catalog.complete
    assert catalog.size("") == 200
    go.set()
    thread.join()
    assert catalog.complete
    assert catalog.size("") == 201


def test_filling_stops_when_it_is_told_to() -> None:
    catalog = Catalog()
    catalog.fill(lambda: (str(number) for number in range(10_000)), lambda: True)
    assert len(catalog) < 1000
