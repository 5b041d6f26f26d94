"use strict";

// Of a long list Swagger UI draws only the operations that are near the screen, and the others when
// they are scrolled to: a page with few operations in its document is whole.
const place = document.getElementById("swagger");

SwaggerUIBundle({
  url: place.dataset.schema,
  domNode: place,
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  filter: true,
  tryItOutEnabled: true,
  validatorUrl: null,
});
