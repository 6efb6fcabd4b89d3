// The panel beside a picture: pickers, the addresses of what is shown, saving it, and the info.json.

import { sizeOf } from "./address.js";

const find = (id) => document.getElementById(id);

export class Panel {
    // view() returns what is shown: {region, scale, degrees, mirror}. onPick runs when quality or format change.
    constructor(image, view, onPick) {
        this.image = image;
        this.view = view;
        const asked = new URLSearchParams(location.search);
        fillSelect(find("quality"), image.qualities, asked.get("quality") || "default");
        fillSelect(find("format"), image.formats, asked.get("format") || image.preferredFormat);
        for (const id of ["quality", "format"]) {
            find(id).addEventListener("change", () => {
                onPick();
                this.update();
            });
        }
        find("size").addEventListener("change", () => this.update());
        find("save").addEventListener("click", () => this.save());
        find("camera").addEventListener("click", () => this.save());
        for (const version of [2, 3]) {
            find(`copy-${version}`).addEventListener("click", () => this.copy(version));
            find(`address-${version}`).addEventListener("focus", (event) => event.target.select());
            find(`info-${version}`).href = `${image.local(version)}/info.json`;
        }
        showDocument(find("document"), image.info);
        find("sides").textContent = `${number(image.info.width)} × ${number(image.info.height)} pixels`;
        collapsible(find("panel"), find("toggle-panel"));
    }

    get quality() {
        return find("quality").value;
    }

    get format() {
        return find("format").value;
    }

    // The request that makes what is shown; null if nothing of the picture is.
    get part() {
        const { region, scale, degrees, mirror } = this.view();
        if (!region) return null;
        const size = sizeOf(region, find("size").value === "full" ? 1 : scale, this.image.info);
        return { region, size, degrees, mirror, quality: this.quality, format: this.format };
    }

    update() {
        const part = this.part;
        for (const id of ["save", "camera", "copy-2", "copy-3"]) find(id).disabled = !part;
        if (!part) {
            find("shown").textContent = "The picture is out of sight.";
            return;
        }
        const { region, size } = part;
        find("shown").textContent =
            `${number(region.w)} × ${number(region.h)} pixels of the picture, as ${number(size.width)} × ${number(size.height)}`;
        for (const version of [2, 3]) find(`address-${version}`).value = this.image.address(part, version);
    }

    async copy(version) {
        const field = find(`address-${version}`);
        this.update();
        try {
            await toClipboard(field);
            say(`The address for version ${version === 2 ? "2.1" : "3.0"} is copied.`);
        } catch {
            field.select();
            say("The browser does not let this page copy; the address is selected.");
        }
    }

    async save() {
        const part = this.part;
        if (!part) return;
        say("Making the picture …");
        try {
            const link = document.createElement("a");
            link.href = URL.createObjectURL(await this.image.picture(part));
            link.download = this.image.fileName(part);
            link.click();
            setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
            say(`Saved as ${link.download}`);
        } catch (error) {
            say(`The picture was not saved. ${error.message}`);
        }
    }
}

// Without https the clipboard is closed to scripts, but not to the old command, which copies what is selected.
async function toClipboard(field) {
    if (navigator.clipboard) return navigator.clipboard.writeText(field.value);
    field.select();
    if (!document.execCommand("copy")) throw new Error("not allowed");
}

// Tell everyone, also those who do not see the screen.
export function say(sentence) {
    const status = find("status");
    status.textContent = sentence;
    status.classList.add("fresh");
    clearTimeout(say.timer);
    say.timer = setTimeout(() => status.classList.remove("fresh"), 5000);
}

export function fail(error) {
    const message = find("failure");
    message.textContent = error.message;
    message.hidden = false;
    document.body.classList.add("failed");
}

function fillSelect(select, names, chosen) {
    if (chosen && !names.includes(chosen)) names = [...names, chosen];
    select.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
}

function collapsible(panel, button) {
    const show = (open) => {
        button.setAttribute("aria-expanded", String(open));
        document.body.classList.toggle("with-panel", open);
        panel.inert = !open;
    };
    button.addEventListener("click", () => show(button.getAttribute("aria-expanded") !== "true"));
    panel.addEventListener("keydown", (event) => {
        if (event.key !== "Escape") return;
        show(false);
        button.focus();
    });
    show(matchMedia("(min-width: 60rem)").matches);
}

// Pretty-printed JSON, with names and values told apart; everything in it goes in as text.
function showDocument(element, info) {
    const text = JSON.stringify(info, null, 2).replace(
        /\[\s+((?:-?[\d.]+,?\s*)+)\]/g,
        (_, numbers) => `[${numbers.trim().replace(/\s+/g, " ")}]`,
    );
    const pattern = /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d[\d.eE+-]*|true|false|null/g;
    let end = 0;
    for (const match of text.matchAll(pattern)) {
        element.append(text.slice(end, match.index));
        const span = document.createElement("span");
        span.className = match[2] ? "key" : match[1] ? "string" : "number";
        span.textContent = match[1] ?? match[0];
        element.append(span, match[2] ?? "");
        end = match.index + match[0].length;
    }
    element.append(text.slice(end));
}

export function number(value) {
    return value.toLocaleString("en");
}

