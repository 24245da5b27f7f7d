"use strict";
// A link into a folded section opens all that folds its target; without scripts a reader opens it by hand.
function unfold(hash) {
  const target = document.getElementById(decodeURIComponent(hash.slice(1)));
  if (!target) return;
  const own = target.querySelector(":scope > details.area:first-child");
  if (own) own.open = true;
  for (let e = target; e; e = e.parentElement) if (e.tagName === "DETAILS") e.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", () => unfold(location.hash));
document.addEventListener("click", event => {
  const link = event.target.closest('a[href^="#"]');
  if (link) unfold(link.getAttribute("href"));
});
if (location.hash) unfold(location.hash);
// A picture opens over the page as wide as the window; without scripts it grows in its place.
function enlarge(image) {
  const box = document.createElement("dialog");
  const close = document.createElement("button");
  close.textContent = "Close";
  box.setAttribute("aria-label", image.alt);
  box.append(close, image.cloneNode());
  box.lastChild.loading = "eager";
  box.addEventListener("click", () => box.close());
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
}
document.addEventListener("click", event => {
  const image = event.target.closest(".picture, figure.wide > img");
  if (!image) return;
  event.preventDefault();
  enlarge(image.matches("img") ? image : image.querySelector("img"));
});
