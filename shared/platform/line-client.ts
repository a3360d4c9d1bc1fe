// The smallest client there is: connects, says one thing, reads until an answer is complete, and is gone. Enough to
// know whether a server is ready, and whether it is the one that was meant.

import { connect } from "node:net";
import { systemTimers } from "./timers.ts";

const ANSWER_MAX_BYTES = 64 * 1024;

export interface Question {
  readonly host: string;
  readonly port: number;
  /** Nothing, when the server speaks first. */
  readonly say?: string;
  /** Whether what came so far is all there is. */
  readonly isComplete: (answer: string) => boolean;
  readonly boundMs: number;
}

/** What was answered; `undefined` when nobody did, or not in time. Never rejects; leaves no connection behind. */
export function ask({ host, port, say, isComplete, boundMs }: Question): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let answer = "";
    const end = (result: string | undefined): void => {
      systemTimers.clearTimeout(late);
      socket.destroy();
      resolve(result);
    };
    const late = systemTimers.setTimeout(() => end(undefined), boundMs);
    socket.setEncoding("utf8");
    if (say !== undefined) socket.once("connect", () => socket.write(say));
    socket.on("data", (chunk: string) => {
      answer += chunk;
      if (isComplete(answer)) end(answer);
      else if (answer.length > ANSWER_MAX_BYTES) end(undefined);
    });
    socket.on("error", () => end(undefined));
    socket.on("close", () => end(undefined));
  });
}
