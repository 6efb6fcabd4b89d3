// The gallery works without this script; it adds pictures as they are found, and marks those that cannot be shown.

const AGAIN = 700;

document.addEventListener(
    "error",
    ({ target }) => target.closest?.(".picture")?.classList.add("broken"),
    true, // errors of images do not bubble
);

if (isReading(document)) setTimeout(look, AGAIN);

function isReading(page) {
    return page.querySelector("main")?.dataset.state === "reading";
}

// While the server still reads the folder, take over what it has found so far.
async function look() {
    try {
        const answer = await fetch(location.href);
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const fresh = page.querySelector("main");
        if (answer.ok && fresh) replace(fresh);
        if (isReading(page)) setTimeout(look, AGAIN);
    } catch {
        setTimeout(look, 5 * AGAIN);
    }
}

// Cards that are the same stay, so that nothing flickers and the focus is not lost.
function replace(fresh) {
    const main = document.querySelector("main");
    main.dataset.state = fresh.dataset.state;
    main.querySelector("[role=status]").textContent = fresh.querySelector("[role=status]").textContent;
    const cards = main.querySelector(".cards");
    const there = new Map([...cards.children].map((card) => [card.innerHTML, card]));
    cards.replaceChildren(...[...fresh.querySelector(".cards").children].map((card) => there.get(card.innerHTML) ?? card));
    main.querySelector(".pager")?.remove();
    const pager = fresh.querySelector(".pager");
    if (pager) cards.after(pager);
}
