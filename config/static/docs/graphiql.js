"use strict";

// Runs queries with a key that stays in this page, and shows the schema that the key may read.
const main = document.querySelector("main");
const form = document.querySelector("form");
const answer = document.getElementById("answer");
const schema = document.getElementById("schema");
const SCHEMA = `{ __schema { types { kind name description fields { name description
  args { name type { ...T } } type { ...T } } } } }
  fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }`;
let shownFor = null;

async function ask(query, variables) {
  const response = await fetch(main.dataset.endpoint, {
    method: "POST",
    headers: {
      Authorization: `Bearer ${form.elements.key.value.trim()}`,
      "Content-Type": "application/json",
    },
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
}

async function run(event) {
  event.preventDefault();
  try {
    const text = form.elements.variables.value.trim();
    const body = await ask(form.elements.query.value, text ? JSON.parse(text) : null);
    answer.textContent = JSON.stringify(body, null, 2);
    await showSchema();
  } catch (error) {
    answer.textContent = String(error);
  }
}

async function showSchema() {
  const key = form.elements.key.value;
  if (shownFor === key) return;
  const { data } = await ask(SCHEMA, null);
  if (!data) return;
  const types = data.__schema.types.filter((type) => type.fields && !type.name.startsWith("__"));
  types.sort((a, b) => (b.name === "Query") - (a.name === "Query") || (a.name < b.name ? -1 : 1));
  schema.replaceChildren(...types.map(describe));
  shownFor = key;
}

function describe(type) {
  const details = element("details", element("summary", element("code", type.name)));
  details.open = type.name === "Query";
  if (type.description) details.append(element("p", type.description));
  const fields = type.fields.map((field) => {
    const list = field.args.map((each) => `${each.name}: ${written(each.type)}`).join(", ");
    const code = `${field.name}${list && `(${list})`}: ${written(field.type)}`;
    return element("li", element("code", code), ` ${field.description ?? ""}`);
  });
  details.append(element("ul", ...fields));
  return details;
}

function written(type) {
  if (type.kind === "NON_NULL") return `${written(type.ofType)}!`;
  return type.kind === "LIST" ? `[${written(type.ofType)}]` : type.name;
}

function element(name, ...children) {
  const created = document.createElement(name);
  created.append(...children);
  return created;
}

form.addEventListener("submit", run);
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
