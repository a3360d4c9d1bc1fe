// The names of what goes over NATS, in one place: `usher.<what>.<whose>`, so that one role's permissions are a few
// prefixes. Everything here is core NATS, at most once; what must not be lost is in Postgres.
// S1: names are made of show ids, node ids and numbers only: none holds a `.`, a wildcard or a space.
//
// | subject                            | published by          | heard by              | carries                       |
// |------------------------------------|-----------------------|-----------------------|-------------------------------|
// | usher.command.<node>.<incarnation> | gateways, as requests | that life of the node | a batch of commands           |
// | usher.reply.<gateway>.<what>       | nodes                 | that gateway          | a batch of replies            |
// | usher.update.<node>                | that node             | gateways              | what its shows committed      |
// | usher.heartbeat.<node>             | that node             | nodes, gateways       | that it lives, and how it is  |
// | usher.view                         | who changed the view  | nodes, gateways       | the view                      |
// | usher.claim.<node>                 | that node             | nodes                 | which shows it has claimed    |
// | usher.catalogue                    | who changed it        | gateways              | nothing: read it again        |

import { assert } from "../kernel/assert.ts";

const NODE_ID = /^[A-Za-z0-9_-]{1,40}$/;
const PROCESS_ID = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * Where one life of a node takes commands: a batch that was meant for an earlier life finds nobody there ("no responders",
 * at once), instead of a node which no longer knows the shows it was asked about.
 */
export function commandSubject(nodeId: string, incarnation: number): string {
  assert(NODE_ID.test(nodeId), "a node id that is none");
  assert(Number.isSafeInteger(incarnation) && incarnation >= 0, `incarnation ${incarnation}`);
  return `usher.command.${nodeId}.${incarnation}`;
}

/**
 * Where answers come to, many to a message, and NATS's "no responders". `what`: the gateway's own mark of what it sent, or
 * `*` for all that comes back to it.
 */
export function replySubject(gatewayId: string, what: string): string {
  assert(PROCESS_ID.test(gatewayId), "a gateway id that is none");
  assert(/^([A-Za-z0-9]{1,16}|\*)$/.test(what), "a mark that is none");
  return `usher.reply.${gatewayId}.${what}`;
}

/**
 * What a node's shows committed, each update with its show, epoch and version. One subject a node, not a show: a message
 * carries the changes of a tick, and its number tells a gateway, which hears all of them, when one was lost.
 */
export function updateSubject(nodeId: string): string {
  assert(NODE_ID.test(nodeId), "a node id that is none");
  return `usher.update.${nodeId}`;
}
export const ANY_UPDATES = "usher.update.*";

/** The absence of these is the first witness of a death; their view number tells who is behind. */
export function heartbeatSubject(nodeId: string): string {
  assert(NODE_ID.test(nodeId), "a node id that is none");
  return `usher.heartbeat.${nodeId}`;
}
export const HEARTBEATS = "usher.heartbeat.*";

/** There is a newer view, said at once by who wrote it; who misses it learns of it by the next heartbeat. */
export const VIEW_SUBJECT = "usher.view";

/** What a node has just claimed, many shows to a message: a former owner stops serving them at once. A hint. */
export function claimSubject(nodeId: string): string {
  assert(NODE_ID.test(nodeId), "a node id that is none");
  return `usher.claim.${nodeId}`;
}
export const CLAIMS = "usher.claim.*";

/** The catalogue was changed. A hint: who misses it goes on with answers of a second ago for that second. */
export const CATALOGUE_SUBJECT = "usher.catalogue";
