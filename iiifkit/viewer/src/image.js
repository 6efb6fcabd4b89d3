// One image of the server: its info.json, and what that says can be asked for.

import { imageAddress, imagePath, parameters } from "./address.js";

const SHOWN = ["jpg", "png", "webp", "gif", "avif"];

export class Image {
    // root is the address of the server as this page sees it: requests go there, whatever proxies lie between.
    constructor(root, identifier, info) {
        this.root = root;
        this.identifier = identifier;
        this.info = info;
        this.name = identifier.split("/").pop();
    }

    static async load(root, identifier) {
        if (!identifier) throw new Error("The address names no picture; it should end with ?id= and a name.");
        const answer = await fetch(new URL(`${imagePath(identifier, 3)}/info.json`, root));
        if (!answer.ok) throw new Error((await answer.text()).trim().slice(0, 300));
        return new Image(root, identifier, await answer.json());
    }

    get level() {
        return Number(String(this.info.profile).slice(-1));
    }

    // "default" first; a plugin's quality is there because info.json names it.
    get qualities() {
        return [...new Set(["default", ...(this.info.extraQualities ?? [])])];
    }

    get formats() {
        return [...new Set(["jpg", ...(this.level === 2 ? ["png"] : []), ...(this.info.extraFormats ?? [])])];
    }

    get preferredFormat() {
        return this.info.preferredFormats?.find((format) => this.formats.includes(format)) ?? "jpg";
    }

    // Browsers cannot show tif, jp2 and pdf: tiles come as JPEG then, and only what is saved is in the format.
    tileFormat(format) {
        return SHOWN.includes(format) ? format : "jpg";
    }

    local(version) {
        return new URL(imagePath(this.identifier, version), this.root).href;
    }

    // The address for other people, and the one for this page; both name the same pixels.
    address(part, version) {
        return `${imageAddress(this.info, this.identifier, version)}/${parameters(part, this.info, version)}`;
    }

    localAddress(part) {
        return `${this.local(3)}/${parameters(part, this.info, 3)}`;
    }

    async picture(part) {
        const answer = await fetch(this.localAddress(part));
        if (!answer.ok) throw new Error((await answer.text()).trim().slice(0, 300));
        return answer.blob();
    }

    fileName({ region, size, format }) {
        const stem = this.name.replace(/\.[^.]*$/, "") || this.name;
        return `${stem}_${region.x},${region.y},${region.w},${region.h}_${size.width}x${size.height}.${format}`;
    }
}
