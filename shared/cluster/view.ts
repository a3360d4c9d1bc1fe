// Which nodes there are, as Postgres says: one row, each change a compare-and-set of its version. Pure.
// V1: a view is a preference: which node should own a show. The authority over a show is its lease's epoch.
// V2: a node that leaves owns nothing any more by the ring, but is alive: it serves what it has until others claim it.
// V3: an incarnation is one life of a node. Whoever was set dead comes back as the next one.

export interface Member {
  readonly nodeId: string;
  readonly incarnation: number;
  readonly state: "up" | "leaving";
}

export interface ClusterView {
  /** Grows with every change; 0: nobody has joined yet. */
  readonly version: number;
  /** In the order of their ids, each once. */
  readonly members: readonly Member[];
}

export const NO_VIEW: ClusterView = { version: 0, members: [] };

/** As many as a ring takes. */
export const MEMBERS_MAX = 1_024;

/** Node ids are part of NATS subjects, application names and file names. */
export const NODE_ID = /^[A-Za-z0-9_-]{1,40}$/;

export const memberOf = (view: ClusterView, nodeId: string): Member | undefined =>
  view.members.find((member) => member.nodeId === nodeId);

/** Whether it is this life of the node that is there. */
export const hasMember = (
  members: readonly Member[],
  { nodeId, incarnation }: Pick<Member, "nodeId" | "incarnation">,
) => members.some((member) => member.nodeId === nodeId && member.incarnation === incarnation);

/** Those the ring gives shows to. */
export const upNodes = (view: ClusterView): string[] =>
  view.members.filter(({ state }) => state === "up").map(({ nodeId }) => nodeId);

const sorted = (members: readonly Member[]): Member[] =>
  [...members].sort((a, b) => (a.nodeId < b.nodeId ? -1 : a.nodeId > b.nodeId ? 1 : 0));

/** `member` joins, comes back as another incarnation, or changes its state; a later life of the node stays. */
export const withMember = (members: readonly Member[], member: Member): Member[] =>
  members.some(({ nodeId, incarnation }) => nodeId === member.nodeId && incarnation > member.incarnation)
    ? [...members]
    : sorted([...members.filter(({ nodeId }) => nodeId !== member.nodeId), member]);

/** Without this life of the node; a later one stays. */
export const withoutMember = (
  members: readonly Member[],
  { nodeId, incarnation }: Pick<Member, "nodeId" | "incarnation">,
): Member[] => members.filter((member) => member.nodeId !== nodeId || member.incarnation !== incarnation);

/** What came over a wire or out of a row (whose properties come in an order of its own); `undefined`: it is no view. */
export function viewFrom(value: unknown): ClusterView | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { version, members } = value as Readonly<Record<string, unknown>>;
  if (!isCount(version) || !Array.isArray(members) || members.length > MEMBERS_MAX) return undefined;
  if (!members.every(isMember) || new Set(members.map(({ nodeId }) => nodeId)).size < members.length) return undefined;
  return {
    version,
    members: sorted(members.map(({ nodeId, incarnation, state }) => ({ nodeId, incarnation, state }))),
  };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function isMember(value: unknown): value is Member {
  if (typeof value !== "object" || value === null) return false;
  const { nodeId, incarnation, state } = value as Readonly<Record<string, unknown>>;
  return (
    typeof nodeId === "string" &&
    NODE_ID.test(nodeId) &&
    isCount(incarnation) &&
    (state === "up" || state === "leaving")
  );
}
