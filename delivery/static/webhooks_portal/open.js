// Hands the token of the link over, which the browser has sent to nobody.
const token = location.hash.slice(1);
const form = document.getElementById("open");
history.replaceState(null, "", location.pathname);
if (token) {
  form.elements.token.value = token;
  form.submit();
} else {
  form.hidden = false;
}
