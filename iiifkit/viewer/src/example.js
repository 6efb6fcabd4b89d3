// go-iiif's example page: a picture in Leaflet, through Leaflet-IIIF, and a camera for what is on the screen.

import "./leaflet_global.js";
import L from "leaflet";
import "leaflet-iiif";
import { clipped } from "./address.js";
import { Image } from "./image.js";
import { Panel, fail, say } from "./panel.js";

const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;

start().catch(fail);

async function start() {
    const identifier = new URLSearchParams(location.search).get("id") || document.getElementById("stage").dataset.id;
    const image = await Image.load(new URL("../", location.href), identifier);
    // The panel comes first, because it takes room from the map.
    const panel = new Panel(image, () => shown(map, layer, image.info), reload);
    const map = L.map("stage", {
        center: [0, 0],
        zoom: 0,
        crs: L.CRS.Simple,
        attributionControl: false,
        zoomAnimation: !calm,
        fadeAnimation: !calm,
        inertia: !calm,
    });
    let layer = newLayer().addTo(map);

    function newLayer(fitBounds = true) {
        return L.tileLayer
            .iiif(`${image.local(3)}/info.json`, {
                tileSize: image.info.tiles?.[0].width ?? 256,
                quality: panel.quality,
                tileFormat: image.tileFormat(panel.format),
                fitBounds,
            })
            .on("tileerror", () => say("A part of the picture did not come; it stays less sharp there."))
            .on("load", () => panel.update());
    }

    function reload() {
        layer.remove();
        layer = newLayer(false).addTo(map);
    }

    map.on("moveend zoomend resize", () => panel.update());
    new ResizeObserver(() => map.invalidateSize()).observe(map.getContainer());
}

// Leaflet's pixels at the layer's sharpest level are the picture's own.
function shown(map, layer, info) {
    if (layer?.maxNativeZoom === undefined) return {};
    const bounds = map.getBounds();
    const one = map.project(bounds.getNorthWest(), layer.maxNativeZoom);
    const other = map.project(bounds.getSouthEast(), layer.maxNativeZoom);
    const region = clipped({ x: one.x, y: one.y, w: other.x - one.x, h: other.y - one.y }, info);
    const scale = 2 ** (map.getZoom() - layer.maxNativeZoom) * devicePixelRatio;
    return { region, scale, degrees: 0, mirror: false };
}
