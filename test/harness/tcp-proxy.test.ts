// Goal: the wire does what the fault tests rest on. Method: an echo behind it, and who talks to it.

import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import t, { type Test } from "tap";
import { until } from "./allocator.ts";
import { TcpProxy } from "./tcp-proxy.ts";

interface End {
  readonly socket: Socket;
  heard: string;
  /** `undefined` while it is open. */
  closed: "well" | "reset" | undefined;
}

function endOf(socket: Socket): End {
  const end: End = { socket, heard: "", closed: undefined };
  socket.on("data", (bytes: Buffer) => {
    end.heard += bytes.toString("latin1");
  });
  socket.on("error", () => {
    end.closed = "reset";
  });
  socket.on("close", () => {
    end.closed ??= "well";
  });
  return end;
}

/** A proxy before a server that keeps what it hears, and a client. */
async function stage(t: Test) {
  const served: End[] = [];
  const server = createServer((socket) => served.push(endOf(socket)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(async () => {
    server.close();
    for (const { socket } of served) socket.destroy();
  });
  const proxy = await TcpProxy.start(t, (server.address() as { port: number }).port);
  const open = async (): Promise<End> => {
    const socket = connect({ host: "127.0.0.1", port: proxy.port });
    t.teardown(async () => void socket.destroy());
    await once(socket, "connect");
    return endOf(socket);
  };
  const client = await open();
  await until("the server hears of it", () => served.length === 1);
  return { proxy, client, server: served[0] as End, served, open };
}

t.test("passes what is said, and the end of it", async (t) => {
  const { client, server, proxy } = await stage(t);
  client.socket.write("hello");
  await until("it arrives", () => server.heard === "hello");
  server.socket.end("bye");
  await until("the answer and its end arrive", () => client.heard === "bye" && client.closed === "well");
  await until("nothing is left", () => proxy.connectionCount === 0);
});

t.test("a cut in one direction keeps it back, and delivers it late", async (t) => {
  const { client, server, proxy } = await stage(t);
  proxy.cut("up");
  client.socket.write("late");
  server.socket.write("news");
  await until("the other direction passes", () => client.heard === "news");
  t.equal(server.heard, "");
  proxy.mend();
  await until("it is delivered", () => server.heard === "late");
});

t.test("a cut hides a death, and a connection that comes", async (t) => {
  const { client, server, served, proxy, open } = await stage(t);
  proxy.cut("both");
  client.socket.destroy();
  const late = await open();
  late.socket.write("anybody?");
  await until("the wire knows of both", () => proxy.connectionCount === 2);
  t.equal(server.closed, undefined);
  t.equal(served.length, 1);
  proxy.mend();
  await until("the death is told, and the other is heard", () => server.closed !== undefined && served.length === 2);
  await until("with what it said", () => served[1]?.heard === "anybody?");
});

t.test("what is swallowed never arrives, nor anything behind it", async (t) => {
  const { client, server, proxy } = await stage(t);
  proxy.cut("up", "swallow");
  client.socket.write("lost");
  server.socket.write("news");
  await until("the other direction passes", () => client.heard === "news");
  proxy.mend();
  client.socket.write("more");
  await until("both ends are reset", () => client.closed !== undefined && server.closed === "reset");
  t.equal(server.heard, "");
});

t.test("a block brings the writer to a stand", async (t) => {
  const { client, server, proxy } = await stage(t);
  proxy.block();
  const chunk = Buffer.alloc(1024 * 1024, "x");
  let written = 0;
  await until("the buffers are full", () => {
    if (client.socket.writableLength > 32 * chunk.length) return true;
    written += chunk.length;
    client.socket.write(chunk);
    return false;
  });
  t.equal(server.heard, "");
  proxy.mend();
  await until("all of it arrives", () => server.heard.length === written);
});

t.test("a delay, in order; a reset at once", async (t) => {
  const { client, server, proxy } = await stage(t);
  proxy.delay(50, "up");
  const from = performance.now();
  client.socket.write("a");
  await until("it arrives", () => server.heard === "a");
  t.ok(performance.now() - from >= 49, "late");
  client.socket.write("b");
  proxy.reset();
  await until("both ends are reset", () => client.closed === "reset" && server.closed === "reset");
});
