// A part that was started by another usher process, over IPC: tells it that it is ready, and ends when it is gone.

import type { Shutdown } from "../shared/platform/shutdown.ts";

export interface ReadyMessage {
  readonly ready: Readonly<Record<string, string>>;
}

export interface Parent {
  ready(facts: ReadyMessage["ready"]): void;
  leave(): void;
}

const NO_PARENT: Parent = { ready: () => undefined, leave: () => undefined };

export function findParent(shutdown: Shutdown): Parent {
  if (process.send === undefined) return NO_PARENT;
  const onGone = (): void => shutdown.request("the process that started it is gone");
  process.once("disconnect", onGone);
  return {
    ready: (facts) => void process.send?.({ ready: facts } satisfies ReadyMessage),
    leave() {
      process.off("disconnect", onGone);
      if (process.connected) process.disconnect();
    },
  };
}
