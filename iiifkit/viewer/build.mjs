// Bundles the pages' scripts and styles into static/, with compressed copies and the libraries' licenses.

import { build } from "esbuild";
import { copyFile, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

const LIBRARIES = ["openseadragon", "leaflet", "leaflet-iiif"];

await rm("static", { recursive: true, force: true });
await mkdir("static");
await build({
    entryPoints: ["gallery", "viewer", "example"].flatMap((page) => [`src/${page}.js`, `src/${page}.css`]),
    outdir: "static",
    bundle: true,
    minify: true,
    format: "esm",
    target: ["es2020", "safari15"],
    legalComments: "none",
    loader: { ".png": "dataurl" },
    logLevel: "warning",
});
await copyFile("src/icon.svg", "static/icon.svg");

const licenses = await Promise.all(LIBRARIES.map(license));
await writeFile("static/licenses.txt", licenses.join("\n\n"));

for (const name of await readdir("static")) {
    await writeFile(`static/${name}.gz`, gzipSync(await readFile(`static/${name}`), { level: 9 }));
}

async function license(library) {
    const folder = `node_modules/${library}`;
    const { version } = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));
    const [file] = (await readdir(folder)).filter((name) => /^license/i.test(name));
    return `${library} ${version}\n\n${await readFile(`${folder}/${file}`, "utf8")}`;
}
