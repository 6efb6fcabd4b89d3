// The viewer page: one picture in OpenSeadragon.

import OpenSeadragon from "openseadragon";
import { clipped } from "./address.js";
import { Box } from "./box.js";
import { Image } from "./image.js";
import { Panel, fail, say } from "./panel.js";

const find = (id) => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

start().catch(fail);

async function start() {
    const image = await Image.load(new URL("../../", location.href), new URLSearchParams(location.search).get("id"));
    const viewer = openViewer();
    const viewport = viewer.viewport;
    const box = new Box(viewer, image.info, () => panel.update());
    const panel = new Panel(image, () => shown(viewer, image.info, box), reload);

    // Other tiles of the same picture, over the old ones until all have come.
    let latest = null;
    function reload() {
        const { world } = viewer;
        const wanted = (latest = source());
        const success = ({ item }) => {
            item.whenFullyLoaded(() => {
                if (wanted !== latest) return;
                for (const old of items(world)) if (old !== item) world.removeItem(old);
            });
        };
        viewer.addTiledImage({ tileSource: wanted, success });
    }

    function source() {
        return {
            ...image.info,
            id: image.local(3),
            tileQuality: panel.quality,
            tileFormat: image.tileFormat(panel.format),
        };
    }

    let waiting = 0;
    let whole = true;
    viewer.addHandler("update-viewport", () => {
        waiting ||= requestAnimationFrame(() => {
            waiting = 0;
            whole = viewport.getZoom(false) <= viewport.getHomeZoom() * 1.001;
            panel.update();
        });
    });
    // Who sees the whole picture goes on seeing it when the window, or the panel, changes.
    viewer.addHandler("resize", () => {
        if (whole) requestAnimationFrame(() => viewport.goHome(true));
    });
    viewer.addHandler("open", () => panel.update());
    viewer.addHandler("open-failed", ({ message }) => fail(new Error(message)));
    viewer.addHandler("tile-load-failed", () => say("A part of the picture did not come; it stays less sharp there."));
    addTools(viewer, viewport, box, panel);
    addKeys(viewer, viewport, box, panel);
    viewer.open(source());
}

function openViewer() {
    // OpenSeadragon puts a style into the page unless one is there, and the Content-Security-Policy forbids it. This
    // element only has the name of one.
    const mark = document.createElementNS("urn:none", "style");
    mark.setAttribute("data-openseadragon-mobile-css", "");
    document.head.append(mark);
    return OpenSeadragon({
        element: find("stage"),
        drawer: "canvas",
        showNavigationControl: false,
        animationTime: calm ? 0 : 0.7,
        springStiffness: 9,
        maxZoomPixelRatio: 8,
        minZoomImageRatio: 0.7,
        visibilityRatio: 0.4,
        zoomPerClick: 2,
        imageLoaderLimit: 8,
        tileRetryMax: 3,
        tileRetryDelay: 1500,
        silenceMultiImageWarnings: true,
        gestureSettingsTouch: { pinchRotate: false },
    });
}

function items(world) {
    return Array.from({ length: world.getItemCount() }, (_, index) => world.getItemAt(index));
}

// What is on the screen: the drawn box, or else all of the picture that can be seen.
function shown(viewer, info, box) {
    const viewport = viewer.viewport;
    const degrees = (((Math.round(viewport.getRotation(false)) % 360) + 360) % 360);
    const mirror = viewport.getFlip();
    const item = viewer.world.getItemAt(0);
    if (!item) return {};
    const seen = item.viewportToImageRectangle(viewport.getBounds(false)).getBoundingBox();
    const region = box.region ?? clipped({ x: seen.x, y: seen.y, w: seen.width, h: seen.height }, info);
    const scale = item.viewportToImageZoom(viewport.getZoom(false)) * devicePixelRatio;
    // OpenSeadragon mirrors what is turned already, IIIF turns what is mirrored already.
    return { region, scale, mirror, degrees: mirror ? (360 - degrees) % 360 : degrees };
}

function addTools(viewer, viewport, box) {
    const tools = {
        "zoom-in": () => viewport.zoomBy(2),
        "zoom-out": () => viewport.zoomBy(0.5),
        "whole": () => viewport.goHome(),
        "turn-left": () => turn(viewport, -90),
        "turn-right": () => turn(viewport, 90),
        "mirror": () => viewport.toggleFlip(),
        "full-screen": toggleFullScreen,
    };
    for (const [id, action] of Object.entries(tools)) {
        find(id).addEventListener("click", () => {
            action();
            viewport.applyConstraints();
        });
    }
    find("full-screen").hidden = !document.fullscreenEnabled;
    document.addEventListener("fullscreenchange", () => {
        find("full-screen").setAttribute("aria-pressed", String(Boolean(document.fullscreenElement)));
    });
    viewer.addHandler("flip", ({ flipped }) => {
        find("mirror").setAttribute("aria-pressed", String(flipped));
        say(flipped ? "Mirrored" : "Not mirrored");
    });
    viewer.addHandler("rotate", ({ degrees }) => say(`Turned to ${((degrees % 360) + 360) % 360} degrees`));
}

// Right is clockwise as people see it, also in the mirror.
function turn(viewport, degrees) {
    viewport.rotateBy(viewport.getFlip() ? -degrees : degrees);
}

function toggleFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else document.documentElement.requestFullscreen();
}

// Letters act while the picture has the focus, so that they disturb nobody who types or talks to the computer.
function addKeys(viewer, viewport, box, panel) {
    const keys = {
        b: () => box.toggleDrawing(),
        c: () => panel.copy(3),
        p: () => panel.save(),
        e: toggleFullScreen,
        r: () => turn(viewport, 90),
        R: () => turn(viewport, -90),
        Escape: () => box.clear(),
    };
    viewer.addHandler("canvas-key", (event) => {
        const { key, ctrlKey, metaKey, altKey } = event.originalEvent;
        if (!keys[key] || ctrlKey || metaKey || altKey) return;
        event.preventDefaultAction = true;
        keys[key]();
    });
}
