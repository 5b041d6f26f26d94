// A dialog is sent once, however often its button is pressed while the answer is on its way.
document.addEventListener("htmx:load", (event) => {
  for (const form of event.detail.elt.querySelectorAll("form[hx-post]")) {
    form.setAttribute("hx-sync", "this:drop");
  }
});
