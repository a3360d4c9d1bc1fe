// Where no mail server is set: each mail becomes a file, for development, and for whoever fetches them from there.
// F1: a file is there whole or not at all, also after a crash of the machine; the same news writes the same file.
// F2: nothing is ever deleted here, and only their owner can read them: they hold addresses and tickets.

import { createHash } from "node:crypto";
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import { createTransport } from "nodemailer";
import { makeFolder } from "../../shared/platform/folder.ts";
import { systemCodeOf } from "../../shared/platform/start-fault.ts";
import { type Carrier, DELIVERED, type Delivery, type Mail } from "./carrier.ts";
import { compose } from "./compose.ts";

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
const PLAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;

export class FolderCarrier implements Carrier {
  readonly #folder: string;
  readonly #composer = createTransport({ streamTransport: true, buffer: true, newline: "windows" });

  constructor(folder: string) {
    this.#folder = folder;
  }

  async deliver(mail: Mail): Promise<Delivery> {
    try {
      const { message } = await this.#composer.sendMail(compose(mail));
      await this.#write(fileNameOf(mail.newsId), message as Buffer);
      return DELIVERED;
    } catch (error) {
      return { kind: "away", reason: systemCodeOf(error) ?? "the file could not be written" };
    }
  }

  close(): void {}

  async #write(name: string, content: Buffer): Promise<void> {
    await makeFolder(this.#folder, FOLDER_MODE);
    // The same name again after a crash: what was left half-written is overwritten.
    const unfinished = join(this.#folder, `.${name}.unfinished`);
    const file = await open(unfinished, "w", FILE_MODE);
    try {
      // What was left may be somebody else's idea of a mode.
      await file.chmod(FILE_MODE);
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, join(this.#folder, name));
    const folder = await open(this.#folder, "r");
    await folder.sync().finally(() => folder.close());
  }
}

/** `show-1:42:0` → `show-1.42.0.eml`; anything else by its hash. */
export function fileNameOf(newsId: string): string {
  const plain = newsId.replaceAll(":", ".");
  return `${PLAIN_NAME.test(plain) ? plain : createHash("sha256").update(newsId).digest("hex")}.eml`;
}
