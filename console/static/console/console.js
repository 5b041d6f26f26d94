// A dialog is sent once, however often its button is pressed while the answer is on its way.
document.addEventListener("htmx:load", (event) => {
  for (const form of event.detail.elt.querySelectorAll("form[hx-post]")) {
    form.setAttribute("hx-sync", "this:drop");
  }
});

// While a dialog is open, the page behind it takes neither keys nor clicks (`inert`), and the
// keyboard is in the dialog. When it closes, the keyboard is where it was before.
document.addEventListener("DOMContentLoaded", () => {
  const overlay = document.getElementById("modal-overlay");
  const content = document.getElementById("modal-content");
  if (!overlay || !content) return;
  const frame = content.parentElement;
  content.setAttribute("role", "dialog");
  content.setAttribute("aria-modal", "true");
  content.setAttribute("aria-labelledby", "dialog-title");
  content.tabIndex = -1;
  let opener = null;

  const isOpen = () => getComputedStyle(overlay).display !== "none";
  const behind = () => [...document.body.children].filter(
    (each) => each !== overlay && each !== frame && !each.matches("script, [x-data^=searchCommand]"),
  );
  const enter = () => {
    const first = content.querySelector(
      "#dialog-form :is(input:not([type=hidden]), select, textarea), #dialog [data-dismiss]",
    );
    (first || content).focus();
  };

  // What opens a dialog is remembered before the answer comes: by then the page may have changed.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (!content.contains(event.detail.elt)) opener = event.detail.elt;
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    const focused = document.activeElement;
    const isLost = focused === content || !content.contains(focused);
    if (isOpen() && content.contains(event.detail.elt) && isLost) enter();
  });
  new MutationObserver(() => {
    const open = isOpen();
    for (const each of behind()) each.inert = open;
    if (open) enter();
    else if (opener) { opener.focus(); opener = null; }
  }).observe(overlay, { attributes: true, attributeFilter: ["style"] });
});
