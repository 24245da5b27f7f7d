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
