// /docs: the OpenAPI document to browse, from files of the installed swagger-ui-dist; no network is needed.
// D1: only the files in `FILES` are served, read once; no path of a request ever reaches the file system.
// D2: no inline script, so that the page's policy can forbid them.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { z } from "@hono/zod-openapi";
import { type Answer, bytes } from "../http/answer.ts";
import { type Endpoint, endpoint } from "../http/endpoint.ts";
import { notFound } from "../http/problem.ts";

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

export const docsEndpoints = (): Endpoint[] => {
  const kept = new Map<string, Promise<Answer>>();
  return [
    page("/docs", "The API to browse", () => bytes(200, "text/html; charset=utf-8", Buffer.from(PAGE), HEADERS)),
    page("/docs/start.js", "Starts the page", () =>
      bytes(200, "text/javascript; charset=utf-8", Buffer.from(START), HEADERS),
    ),
    endpoint({
      method: "get",
      path: "/docs/{file}",
      tag: "service",
      summary: "A file of the page",
      access: "public",
      idempotent: false,
      params: z.object({ file: z.string() }),
      answers: { 200: { description: "The file", contentType: "*/*" } },
      problems: ["not_found"],
      handle: ({ params }) => {
        if (!Object.hasOwn(FILES, params.file)) return notFound("file");
        const answer = kept.get(params.file) ?? readDistributed(params.file);
        kept.set(params.file, answer);
        return answer;
      },
    }),
  ];
};

const page = (path: string, summary: string, handle: () => Answer): Endpoint =>
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

async function readDistributed(file: string): Promise<Answer> {
  const folder = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
  return bytes(200, FILES[file] ?? "application/octet-stream", await readFile(join(folder, file)), HEADERS);
}
