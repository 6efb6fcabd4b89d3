"""The pages in a real browser, against a real server: what people click, see, save and copy is what they get."""

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pictures
import pytest
from browsing import LIBRARIES, OtherSite, Visit, chromium, parts
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from serving import Server
from watching import install_plugin

Open = Callable[..., Visit]
PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 740},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, in folders, too; one has a name that is no HTML and no path."""
    made = tmp_path_factory.mktemp("album")
    (made / "Space").mkdir()
    for name in ("coffee.png", "chelsea.png", "rocket.jpg", "retina.jpg"):
        Image.fromarray(pictures.photograph(name)).save(made / f"{name[:-4]}.jpg", quality=92)
    Image.fromarray(pictures.photograph("astronaut.png")).save(made / "Space" / "<i>Ümläut&amp; 100%?.png")
    Image.fromarray(pictures.photograph("hubble_deep_field.jpg")).save(made / "Space" / "deep field.jpg")
    return made


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), folder, {}, "--example") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def visit(browser: Browser, screenshots: Path) -> Iterator[Open]:
    """``visit(**options)`` is a visitor with a browser of their own."""
    visits: list[Visit] = []

    def begin(**options: Any) -> Visit:
        visits.append(Visit(browser, screenshots, **options))
        return visits[-1]

    yield begin
    for each in visits:
        each.context.close()


def view(page: Page, id: str = "address-3") -> str:
    """The address that a page offers for what it shows."""
    return page.locator(f"#{id}").input_value()


def picture_at(server: Server, address: str) -> Image.Image:
    answer = server.get(address.removeprefix(server.base))
    assert answer.status == 200, answer.text
    return answer.image.convert("RGB")


def on_the_stage(page: Page) -> Image.Image:
    """What the picture looks like on the screen, without the tools over it."""
    hide = (
        "hide => document.querySelectorAll('.tools, .status, .leaflet-control-container').forEach(e => e.hidden = hide)"
    )
    page.evaluate(hide, True)
    shot = Image.open(io.BytesIO(page.locator("#stage").screenshot())).convert("RGB")
    page.evaluate(hide, False)
    return shot


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures, after both are made small enough that half a pixel does not count."""
    small = [np.asarray(image.resize((160, 120), Image.Resampling.BOX), float) for image in (one, other)]
    return float(np.abs(small[0] - small[1]).mean())


def settled(guest: Visit) -> None:
    """Wait until the picture stands still and is as sharp as it gets."""
    before = ""
    for _ in range(100):
        guest.settle(0.3)
        now = view(guest.page)
        if now and now == before:
            return
        before = now
    raise AssertionError("the picture never stands still")


# The gallery


def test_the_gallery_shows_the_folder_and_a_click_opens_a_picture(server: Server, visit: Open) -> None:
    guest = visit()
    page = guest.open(server.base + "/")
    guest.settle()
    names = page.locator(".card .name")
    expect(names).to_have_text(["Space", "example.jpg", "chelsea.jpg", "coffee.jpg", "retina.jpg", "rocket.jpg"])
    guest.settle()
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 50)")
    assert all("/iiif/3/" in address for address in guest.asked if address.endswith("default.jpg"))
    guest.keep("gallery-light")
    page.get_by_role("link", name="Space").click()
    page.get_by_role("searchbox").fill("ümläut")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("status")).to_have_text("1 found")
    page.get_by_role("link", name="<i>Ümläut&amp; 100%?.png").click()
    settled(guest)
    expect(page.get_by_role("heading", level=1)).to_have_text("<i>Ümläut&amp; 100%?.png")
    assert picture_at(server, view(page)).size[0] > 100
    page.get_by_role("link", name="Gallery").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Space")
    guest.check(server.base)


def test_a_folder_that_is_still_read_fills_up_by_itself(
    visit: Open, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """The source of this server takes its time over each image that it lists."""
    slow = """
        import time
        from iiifkit import Offer, hookimpl
        from iiifkit.sources.disk import DiskSource, DiskSourceOptions, build

        class Slow(DiskSource):
            def identifiers(self):
                for number in range(500):
                    time.sleep(0.004)
                    yield f"{number:03}.jpg"

        @hookimpl
        def iiifkit_sources():
            return {"Slow": Offer(lambda options, environment: Slow(__import__("pathlib").Path(options.path), 0),
                                  options=DiskSourceOptions)}
    """
    environ = install_plugin(tmp_path / "plugin", "slow-plugin", slow)
    (tmp_path / "images").mkdir()
    config = {"images": {"source": {"name": "Slow", "path": str(tmp_path / "images")}}}
    with Server(tmp_path / "server", None, config, **environ) as server:
        guest = visit()
        page = guest.open(server.base + "/")
        assert page.locator("main").get_attribute("data-state") == "reading"
        expect(page.locator(".pager")).to_contain_text("Page 1 of 9", timeout=20_000)
        expect(page.get_by_role("status")).to_have_text("500 pictures")
        assert page.locator(".card").count() == 60


# The viewer


def test_the_viewer_zooms_turns_and_mirrors_and_its_address_is_what_the_screen_shows(
    server: Server, visit: Open
) -> None:
    guest = visit(permissions=["clipboard-read", "clipboard-write"])
    page = guest.open(server.base + "/iiifkit/viewer/?id=example.jpg")
    settled(guest)
    assert view(page).startswith(f"{server.base}/iiif/3/example.jpg/full/")
    guest.keep("viewer-light")
    page.get_by_role("button", name="Zoom in").click()
    page.mouse.move(300, 500)
    page.mouse.down()
    page.mouse.move(340, 560, steps=5)
    page.mouse.up()
    seen = []
    for button in ("Zoom in", "Turn right", "Mirror", "Turn left", "Turn left"):
        page.get_by_role("button", name=button).click()
        settled(guest)
        screen = on_the_stage(page)
        picture = picture_at(server, view(page))
        assert abs(picture.size[0] - screen.size[0]) <= 2
        assert abs(picture.size[1] - screen.size[1]) <= 2
        assert difference(picture, screen) < 5, (button, view(page))
        assert difference(picture.transpose(Image.Transpose.ROTATE_180), screen) > 15
        seen.append(view(page).split("/")[-2])
    assert seen == ["0", "90", "!270", "!180", "!90"]
    page.get_by_role("button", name="Copy the address for version 3.0").click()
    assert page.evaluate("navigator.clipboard.readText()") == view(page)
    expect(page.get_by_role("status")).to_have_text("The address for version 3.0 is copied.")
    page.get_by_role("button", name="Copy the address for version 2.1").click()
    older = page.evaluate("navigator.clipboard.readText()")
    assert older == view(page, "address-2")
    assert older.startswith(f"{server.base}/iiif/2/example.jpg/")
    assert picture_at(server, older).tobytes() == picture_at(server, view(page)).tobytes()
    guest.check(server.base)


def test_the_sharpest_tiles_arrive_and_a_plugins_quality_is_there_by_itself(server: Server, visit: Open) -> None:
    guest = visit(color_scheme="dark")
    page = guest.open(server.base + "/iiifkit/viewer/?id=example.jpg")
    settled(guest)
    for _ in range(4):
        page.get_by_role("button", name="Zoom in").click()
    settled(guest)
    region = parts(view(page))
    assert region is not None
    assert min(tile["scale"] for tile in guest.tiles() if tile["scale"]) == 1
    assert "dither" in page.get_by_label("Quality").locator("option").all_inner_texts()
    guest.asked.clear()
    # OpenSeadragon complains of tiles that come after a change, so each change has its time.
    page.get_by_label("Format").select_option("png")
    settled(guest)
    page.get_by_label("Quality").select_option("dither")
    settled(guest)
    assert {tile["quality"] for tile in guest.tiles()} >= {"dither.png"}
    assert np.unique(np.asarray(picture_at(server, view(page)))).tolist() == [0, 255]
    page.get_by_label("Format").select_option("tif")
    settled(guest)
    page.get_by_label("Quality").select_option("default")
    settled(guest)
    assert not any(tile["quality"].endswith(".tif") for tile in guest.tiles())
    assert view(page).endswith("/default.tif")
    page.get_by_text("Show the info.json here").click()
    shown = page.locator("#document").inner_text()
    assert '"width": 4608' in shown
    assert page.locator("#document .key").first.inner_text() == '"@context"'
    guest.keep("viewer-dark")
    guest.check(server.base)


def test_a_drawn_box_has_an_address_and_the_camera_saves_just_that(server: Server, visit: Open) -> None:
    guest = visit()
    page = guest.open(server.base + "/iiifkit/viewer/?id=example.jpg")
    settled(guest)
    page.get_by_role("button", name="Draw a box").click()
    page.mouse.move(300, 300)
    page.mouse.down()
    page.mouse.move(500, 420, steps=4)
    page.mouse.up()
    sides = [int(page.get_by_label(name, exact=True).input_value()) for name in ("x", "y", "width", "height")]
    assert abs(sides[2] / sides[3] - 200 / 120) < 0.02
    drawn = parts(view(page))
    assert drawn is not None
    assert drawn["region"] == sides
    size = picture_at(server, view(page)).size
    assert abs(size[0] - 200) <= 1
    assert abs(size[1] - 120) <= 1
    page.get_by_label("Size").select_option("full")
    assert view(page).endswith("/max/0/default.jpg")
    assert view(page, "address-2").endswith("/full/0/default.jpg")
    box = page.locator(".box").bounding_box()
    assert box is not None
    assert abs(box["x"] - 300) < 3
    assert abs(box["width"] - 200) < 3
    guest.keep("viewer-box")
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save as a picture").click()
    saved = Path(saving.value.path()).read_bytes()
    assert Image.open(io.BytesIO(saved)).size == tuple(sides[2:])
    assert saved == server.get(view(page).removeprefix(server.base)).body
    assert saving.value.suggested_filename == f"example_{','.join(map(str, sides))}_{sides[2]}x{sides[3]}.jpg"
    page.get_by_role("button", name="Remove the box").click()
    assert view(page).endswith("/full/max/0/default.jpg")
    guest.check(server.base)


def test_a_name_that_is_not_there_is_said_in_the_servers_words(server: Server, visit: Open) -> None:
    guest = visit()
    page = guest.open(server.base + "/iiifkit/viewer/?id=nothing.jpg")
    expect(page.get_by_role("alert")).to_have_text("There is no image 'nothing.jpg'.")
    assert [complaint for complaint in guest.complaints if "404" not in complaint] == []


def test_everything_can_be_done_with_the_keyboard_alone(server: Server, visit: Open) -> None:
    guest = visit(permissions=["clipboard-read", "clipboard-write"], reduced_motion="reduce")
    page = guest.open(server.base + "/")

    def tab_to(what: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("what => document.activeElement.matches(what)", what):
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none" or what.startswith("#stage")
                return
        raise AssertionError(f"{what} is not reached")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    tab_to("a[href*='id=example.jpg']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/iiifkit/viewer/**")
    settled(guest)
    tab_to("#stage *")
    for key in "++r":
        page.keyboard.press(key)
    settled(guest)
    assert view(page).endswith("/90/default.jpg")
    page.keyboard.press("f")
    page.keyboard.press("c")
    settled(guest)
    assert page.evaluate("navigator.clipboard.readText()").endswith("/!270/default.jpg")
    with page.expect_download() as saving:
        page.keyboard.press("p")
    assert Path(saving.value.path()).stat().st_size > 1000
    before = view(page)
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(300)
    settled(guest)
    assert view(page) != before
    tab_to("#turn-left")
    page.keyboard.press("Enter")
    for side, number in (("x", 100), ("y", 200), ("w", 300), ("h", 150)):
        tab_to(f"#box-{side}")
        page.keyboard.type(str(number))
    page.keyboard.press("Tab")
    found = parts(view(page))
    assert found is not None
    assert found["region"] == [100, 200, 300, 150]
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "toggle-panel"
    guest.check(server.base)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_cut_off_and_everything_is_large_enough_to_touch(
    server: Server, visit: Open, scheme: str
) -> None:
    guest = visit(color_scheme=scheme, **PHONE)
    page = guest.open(server.base + "/")
    guest.settle()
    guest.keep(f"phone-gallery-{scheme}")
    fits(page)
    page.goto(server.base + "/iiifkit/viewer/?id=example.jpg")
    settled(guest)
    guest.keep(f"phone-viewer-{scheme}")
    fits(page)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) > 384) is (scheme == "light")
    before = view(page)
    page.touchscreen.tap(180, 350)
    page.get_by_role("button", name="Zoom in").tap()
    settled(guest)
    assert view(page) != before
    page.get_by_role("button", name="Details").tap()
    settled(guest)
    page.locator("#save").scroll_into_view_if_needed()
    guest.keep(f"phone-panel-{scheme}")
    fits(page)
    with page.expect_download() as saving:
        page.locator("#save").tap()
    assert Path(saving.value.path()).stat().st_size > 1000
    guest.check(server.base)


def fits(page: Page) -> None:
    """Nothing sticks out at the side, and every target is 44 pixels high."""
    assert page.evaluate("document.scrollingElement.scrollWidth") <= 360
    small = page.evaluate(
        """[...document.querySelectorAll("a[href], button, select, input, textarea")]
            .filter(element => element.checkVisibility() && element.type !== "hidden" && !element.closest(".skip"))
            .map(element => [element.id || element.textContent.trim(), element.getBoundingClientRect()])
            .filter(([, box]) => box.height < 43.5 && box.width > 1)
            .map(([name, box]) => `${name} ${box.width} x ${box.height}`)"""
    )
    assert small == []


# The example page


def test_the_example_page_shows_leaflet_and_its_camera_saves_what_is_on_the_screen(server: Server, visit: Open) -> None:
    guest = visit()
    page = guest.open(server.base + "/example/")
    settled(guest)
    for _ in range(2):
        page.get_by_role("button", name="Zoom in").click()
        page.wait_for_timeout(400)
    settled(guest)
    page.wait_for_timeout(500)
    guest.keep("example-light")
    screen = on_the_stage(page)
    with page.expect_download() as saving:
        page.get_by_role("button", name="Save what is shown as a picture").click()
    saved = Image.open(saving.value.path()).convert("RGB")
    assert abs(saved.size[0] - screen.size[0]) <= 2
    assert abs(saved.size[1] - screen.size[1]) <= 2
    assert difference(saved, screen) < 5
    assert difference(saved.transpose(Image.Transpose.ROTATE_180), screen) > 15
    assert saved.tobytes() == picture_at(server, view(page, "address-2")).tobytes()
    guest.check(server.base)


def test_the_example_page_takes_an_image_a_quality_and_a_format(server: Server, visit: Open) -> None:
    guest = visit(color_scheme="dark")
    page = guest.open(server.base + "/example/?id=Space%2Fdeep+field.jpg&quality=gray&format=png")
    settled(guest)
    assert {(tile["identifier"], tile["quality"]) for tile in guest.tiles()} == {("Space/deep field.jpg", "gray.png")}
    assert view(page).endswith("/0/gray.png")
    guest.keep("example-dark")
    guest.check(server.base)


# Other people's viewers, on other people's sites


@pytest.fixture(scope="module")
def site() -> Iterator[OtherSite]:
    other = OtherSite({path.name: path for path in LIBRARIES.iterdir()})
    yield other
    other.stop()


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("viewer", ["openseadragon", "leaflet"])
def test_viewers_on_other_sites_get_every_tile(
    server: Server, visit: Open, site: OtherSite, viewer: str, version: int
) -> None:
    guest = visit()
    page = guest.open(f"{site.base}/{viewer}.html?address={server.base}/iiif/{version}/example.jpg/info.json")
    page.wait_for_function("window.ready()")
    page.evaluate("window.sharpest()")
    page.wait_for_timeout(300)
    page.wait_for_function("window.ready()")
    guest.settle()
    tiles = guest.tiles()
    assert {tile["version"] for tile in tiles} == {version}
    assert min(tile["scale"] for tile in tiles if tile["scale"]) == 1
    assert len(tiles) > 12
    shot = np.asarray(Image.open(guest.keep(f"{viewer}-{version}")).convert("RGB"))[100:500, 100:800]
    assert shot.std() > 20
    guest.check(server.base, site.base)
