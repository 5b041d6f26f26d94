"use strict";

const place = document.getElementById("redoc");
const font = "system-ui, sans-serif";
const mono = "ui-monospace, Menlo, Consolas, monospace";

Redoc.init(
  place.dataset.schema,
  {
    nativeScrollbars: true,
    hideDownloadButtons: false,
    theme: {
      typography: {
        fontFamily: font,
        headings: { fontFamily: font },
        code: { fontFamily: mono },
      },
    },
  },
  place,
);
