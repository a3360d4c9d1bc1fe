// Child of the bookings benchmark: the least that answers JSON with JSON, Hono on the same server as the gateway's.
// Prints where it listens.

import { serve } from "@hono/node-server";
import { Hono } from "hono";

const app = new Hono();
app.post("/echo", async (context) => context.json(await context.req.json()));
serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => console.log(`http://127.0.0.1:${port}`));
