// What a node says several times a second on the bus: that it lives, and how it is. JSON; gateways read it too.

export interface HeartbeatFacts {
  /** Messages of updates published so far: who has heard fewer has missed some. */
  readonly updates: number;
  /** What of its dependencies does not answer. */
  readonly unready: readonly string[];
}

export interface Heartbeat extends HeartbeatFacts {
  readonly nodeId: string;
  readonly incarnation: number;
  /** The version of the view it knows. */
  readonly view: number;
}

export const encodeJson = (value: object): Uint8Array => Buffer.from(JSON.stringify(value));

/** `undefined` when it is none. */
export function decodeJson(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString("utf8"));
  } catch {
    return undefined;
  }
}

/** What a node must know of another's heartbeat; `undefined` when it is none. */
export function heartbeatFrom(data: Uint8Array): Pick<Heartbeat, "nodeId" | "incarnation" | "view"> | undefined {
  const heartbeat = decodeJson(data) as Partial<Heartbeat> | null | undefined;
  if (typeof heartbeat?.nodeId !== "string") return undefined;
  const { nodeId, incarnation, view } = heartbeat;
  if (!Number.isSafeInteger(incarnation) || !Number.isSafeInteger(view)) return undefined;
  return { nodeId, incarnation: incarnation as number, view: view as number };
}
