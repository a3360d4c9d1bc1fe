// Mails as files: whole, readable by their owner only, the same file for the same news.

import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { partOf } from "../../test/harness/mail-server.ts";
import type { Mail } from "./carrier.ts";
import { FolderCarrier, fileNameOf } from "./folder-carrier.ts";

const mail: Mail = {
  newsId: "show-1:42:0",
  messageId: "<usher.show-1.42.0@localhost>",
  from: { name: "", address: "tickets@localhost" },
  to: "ann@example.org",
  at: 0,
  letter: { subject: "s", text: "first", html: "<p>h</p>", attachments: [] },
};

const base = await mkdtemp(join(tmpdir(), "usher-mail-"));
t.teardown(() => rm(base, { recursive: true }));

t.test("a file a news, in a folder that is made", async (t) => {
  const folder = join(base, "a", "mail");
  const carrier = new FolderCarrier(folder);
  t.same(await carrier.deliver(mail), { kind: "delivered" });
  // What a crash in the middle of writing leaves.
  await writeFile(join(folder, ".show-1.42.0.eml.unfinished"), "x".repeat(100_000));
  t.same(await carrier.deliver({ ...mail, letter: { ...mail.letter, text: "second" } }), { kind: "delivered" });
  t.same(await readdir(folder), ["show-1.42.0.eml"]);
  const file = join(folder, "show-1.42.0.eml");
  t.equal((await stat(file)).mode & 0o777, 0o600);
  t.equal((await stat(folder)).mode & 0o777, 0o700);
  const raw = await readFile(file, "latin1");
  t.equal(partOf(raw, "text/plain").content.toString(), "second");
  t.match(raw, "Message-ID: <usher.show-1.42.0@localhost>\r\n");
});

t.test("a name that is no file name becomes one", async (t) => {
  t.equal(fileNameOf("show-1:42:0"), "show-1.42.0.eml");
  for (const id of ["../../etc/passwd", "a/b:1:0", "", ".:1:0", "ä:1:0", `${"x".repeat(200)}:1:0`, "a\0b"]) {
    t.match(fileNameOf(id), /^[0-9a-f]{64}\.eml$/, id);
  }
});

t.test("a folder that cannot be used is told, and tried again", async (t) => {
  const folder = join(base, "b");
  await writeFile(folder, "a file in its place");
  const carrier = new FolderCarrier(folder);
  t.match(await carrier.deliver(mail), { kind: "away", reason: /EEXIST|ENOTDIR/ });
  await rm(folder);
  await mkdir(folder);
  await chmod(folder, 0o700);
  t.match(await carrier.deliver(mail), { kind: "delivered" });
});
