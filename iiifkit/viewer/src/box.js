// A box on the picture: drawn with a pointer, or typed as numbers, and kept where it is while the picture moves.

import OpenSeadragon from "openseadragon";
import { clipped } from "./address.js";
import { say } from "./panel.js";

const find = (id) => document.getElementById(id);
const SIDES = ["x", "y", "w", "h"];

export class Box {
    constructor(viewer, info, onChange) {
        this.viewer = viewer;
        this.info = info;
        this.onChange = onChange;
        this.region = null;
        this.frame = document.createElement("div");
        this.frame.className = "box";
        this.button = find("draw");
        this.sheet = find("sheet");
        this.button.addEventListener("click", () => this.toggleDrawing());
        find("clear").addEventListener("click", () => this.clear());
        for (const side of SIDES) find(`box-${side}`).addEventListener("change", () => this.readNumbers());
        this.sheet.addEventListener("pointerdown", (event) => this.begin(event));
        this.sheet.addEventListener("keydown", (event) => event.key === "Escape" && this.toggleDrawing(false));
    }

    toggleDrawing(on = this.sheet.hidden) {
        this.sheet.hidden = !on;
        this.button.setAttribute("aria-pressed", String(on));
        if (on) say("Draw a box on the picture, or type its numbers in the panel.");
    }

    begin(start) {
        if (!start.isPrimary || start.button) return;
        start.preventDefault();
        const trace = this.sheet.firstElementChild;
        const origin = this.sheet.getBoundingClientRect();
        let end = start;
        const draw = (event) => {
            end = event;
            trace.hidden = false;
            trace.style.left = `${Math.min(start.clientX, end.clientX) - origin.left}px`;
            trace.style.top = `${Math.min(start.clientY, end.clientY) - origin.top}px`;
            trace.style.width = `${Math.abs(end.clientX - start.clientX)}px`;
            trace.style.height = `${Math.abs(end.clientY - start.clientY)}px`;
        };
        const finish = (event) => {
            stop();
            const large = Math.abs(event.clientX - start.clientX) > 3 && Math.abs(event.clientY - start.clientY) > 3;
            if (large) this.set(this.between(this.imagePoint(start, origin), this.imagePoint(event, origin)));
            this.toggleDrawing(false);
        };
        const stop = () => {
            trace.hidden = true;
            this.sheet.removeEventListener("pointermove", draw);
            this.sheet.removeEventListener("pointerup", finish);
            this.sheet.removeEventListener("pointercancel", stop);
        };
        this.sheet.setPointerCapture(start.pointerId);
        this.sheet.addEventListener("pointermove", draw);
        this.sheet.addEventListener("pointerup", finish);
        this.sheet.addEventListener("pointercancel", stop);
    }

    imagePoint(event, origin) {
        const { viewport } = this.viewer;
        const x = event.clientX - origin.left;
        const point = new OpenSeadragon.Point(viewport.getFlip() ? origin.width - x : x, event.clientY - origin.top);
        return this.viewer.world.getItemAt(0).viewportToImageCoordinates(viewport.pointFromPixel(point, true));
    }

    between(one, other) {
        const x = Math.min(one.x, other.x);
        const y = Math.min(one.y, other.y);
        return { x, y, w: Math.abs(one.x - other.x), h: Math.abs(one.y - other.y) };
    }

    readNumbers() {
        const [x, y, w, h] = SIDES.map((side) => find(`box-${side}`).valueAsNumber);
        if ([x, y, w, h].every(Number.isFinite)) this.set({ x, y, w, h });
    }

    set(region) {
        this.region = clipped(region, this.info);
        if (!this.region) {
            this.clear();
            say("The box lies outside of the picture.");
            return;
        }
        const { x, y, w, h } = this.region;
        for (const side of SIDES) find(`box-${side}`).value = this.region[side];
        find("clear").disabled = false;
        const location = this.viewer.world.getItemAt(0).imageToViewportRectangle(x, y, w, h);
        if (this.viewer.getOverlayById(this.frame)) this.viewer.updateOverlay(this.frame, location);
        else this.viewer.addOverlay({ element: this.frame, location });
        say(`The box has ${w} by ${h} pixels; the addresses below are for it.`);
        this.onChange();
    }

    clear() {
        this.region = null;
        this.viewer.removeOverlay(this.frame);
        for (const side of SIDES) find(`box-${side}`).value = "";
        find("clear").disabled = true;
        this.onChange();
    }
}
