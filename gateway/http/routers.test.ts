// Paths of all kinds, words and parameters in the same place among them, lead where they should.

import t from "tap";
import { TwoRouters } from "./routers.ts";

t.test("each path leads to its endpoint, words before parameters", async (t) => {
  const routers = new TwoRouters<string>();
  const routes = [
    ["POST", "/bookings/lock"],
    ["POST", "/bookings/lock/:id/extend"],
    ["POST", "/bookings/:id/cancel"],
    ["GET", "/bookings/:id"],
    ["GET", "/bookings/:id/tickets/:seat"],
    ["DELETE", "/bookings/lock/:id"],
  ] as const;
  for (const [method, path] of routes) routers.add(method, path, `${method} ${path}`);
  const found = (method: string, path: string): unknown => routers.match(method, path)[0][0]?.[0];
  t.equal(found("POST", "/bookings/lock"), "POST /bookings/lock");
  t.equal(found("POST", "/bookings/lock/x/extend"), "POST /bookings/lock/:id/extend");
  t.equal(found("POST", "/bookings/x/cancel"), "POST /bookings/:id/cancel");
  t.equal(found("POST", "/bookings/lock/cancel"), "POST /bookings/:id/cancel");
  t.equal(found("GET", "/bookings/x"), "GET /bookings/:id");
  t.equal(found("GET", "/bookings/x/tickets/A1"), "GET /bookings/:id/tickets/:seat");
  t.equal(found("DELETE", "/bookings/lock/x"), "DELETE /bookings/lock/:id");
  for (const [method, path] of [
    ["POST", "/bookings/x"],
    ["POST", "/bookings/x/y/cancel"],
    ["GET", "/bookings/x/cancel"],
    ["PUT", "/bookings/lock"],
  ] as const) {
    t.equal(found(method, path), undefined, `${method} ${path}`);
  }
});
