// IIIF addresses: which request makes exactly this part of a picture, in Image API 2.1 and 3.0. No DOM in here.

// Every identifier is one path segment: its slashes are encoded, too.
export function imagePath(identifier, version) {
    return `iiif/${version}/${encodeURIComponent(identifier)}`;
}

// The public address of an image in a version of the API, from the 3.0 info.json, which knows how the server is reached.
export function imageAddress(info, identifier, version) {
    const ending = imagePath(identifier, 3);
    const base = info.id.endsWith(ending) ? info.id.slice(0, -ending.length) : "";
    return base + imagePath(identifier, version);
}

// {x, y, w, h} with whole numbers, inside the picture, at least one pixel; null if nothing of it is inside.
export function clipped(region, info) {
    const x = Math.max(0, Math.floor(region.x + 1e-6));
    const y = Math.max(0, Math.floor(region.y + 1e-6));
    const right = Math.min(info.width, Math.ceil(region.x + region.w - 1e-6));
    const bottom = Math.min(info.height, Math.ceil(region.y + region.h - 1e-6));
    return right > x && bottom > y ? { x, y, w: right - x, h: bottom - y } : null;
}

// Width and height of a region at a scale (pixels out per pixel of the picture), never enlarged, within the limits.
export function sizeOf(region, scale, info) {
    const maxWidth = info.maxWidth ?? Infinity;
    const maxHeight = info.maxHeight ?? maxWidth;
    const maxArea = info.maxArea ?? Infinity;
    const fits = Math.min(
        1,
        scale,
        maxWidth / region.w,
        maxHeight / region.h,
        Math.sqrt(maxArea / (region.w * region.h)),
    );
    let width = Math.max(1, Math.min(region.w, Math.round(region.w * fits)));
    while (width > 1 && !allowed(width)) width--;
    return { width, height: heightFor(width) };

    // The height that servers make of the form "w,": to the nearest pixel.
    function heightFor(width) {
        return Math.max(1, Math.floor((2 * width * region.h + region.w) / (2 * region.w)));
    }
    function allowed(width) {
        const height = heightFor(width);
        return width <= maxWidth && height <= maxHeight && width * height <= maxArea;
    }
}

// {region}/{size}/{rotation}/{quality}.{format}, in the canonical form of the version.
export function parameters({ region, size, degrees, mirror, quality, format }, info, version) {
    const whole = region.w === info.width && region.h === info.height;
    const unscaled = size.width === region.w && size.height === region.h;
    return [
        whole ? "full" : [region.x, region.y, region.w, region.h].join(","),
        unscaled ? (version === 2 ? "full" : "max") : `${size.width},${version === 2 ? "" : size.height}`,
        `${mirror ? "!" : ""}${degrees}`,
        `${encodeURIComponent(quality).replace(/%2C/g, ",").replace(/%3A/g, ":")}.${format}`,
    ].join("/");
}
