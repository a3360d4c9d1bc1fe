// /docs: the OpenAPI document to browse, from files of the installed swagger-ui-dist; no network is needed. Whoever
// opens the bare address with a browser lands there.
// D1: only the files in `FILES` are served, read once; no path of a request ever reaches the file system.
// D2: no inline script, so that the page's policy can forbid them.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type Answer, bytes, empty } from "../http/answer.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Usher API</title>
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;

const START = `window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
`;

const FILES: Readonly<Record<string, string>> = {
  "swagger-ui.css": "text/css; charset=utf-8",
  "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
  "favicon-32x32.png": "image/png",
};

/** The interface sets styles of its own and has its icons as data. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS = {
  "Content-Security-Policy": POLICY,
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "public, max-age=3600",
};

// Each file is a route of its own: a `/docs/{file}` beside `/docs/start.js` would make the router fall back to its
// slower kind for every route.
export const docsEndpoints = (): Endpoint[] => [
  toDocs("/"),
  toDocs("/docs/"),
  page("/docs", "The API to browse", () => bytes(200, "text/html; charset=utf-8", Buffer.from(PAGE), HEADERS)),
  page("/docs/start.js", "Starts the page", () =>
    bytes(200, "text/javascript; charset=utf-8", Buffer.from(START), HEADERS),
  ),
  ...Object.entries(FILES).map(([file, contentType]) => {
    let answer: Promise<Answer> | undefined;
    return page(`/docs/${file}`, "A file of the page", () => {
      answer ??= readDistributed(file, contentType);
      return answer;
    });
  }),
];

const page = (path: string, summary: string, handle: () => Answer | Promise<Answer>): Endpoint =>
  endpoint({
    method: "get",
    path,
    tag: "service",
    summary,
    access: "public",
    idempotent: false,
    answers: { 200: { description: "The page", contentType: "text/html" } },
    problems: [],
    handle,
  });

const toDocs = (path: string): Endpoint =>
  endpoint({
    method: "get",
    path,
    tag: "service",
    summary: "To the documentation",
    access: "public",
    idempotent: false,
    answers: { 302: { description: "The API to browse", headers: { Location: "/docs" } } },
    problems: [],
    handle: () => empty(302, { Location: "/docs" }),
  });

async function readDistributed(file: string, contentType: string): Promise<Answer> {
  const folder = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
  return bytes(200, contentType, await readFile(join(folder, file)), HEADERS);
}
