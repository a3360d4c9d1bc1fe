// The names of what goes over NATS, in one place: `usher.<what>.<whose>`, so that one role's permissions are a few
// prefixes. Everything here is core NATS, at most once; what must not be lost is in Postgres.
// S1: names are made of show ids, node ids and numbers only: none holds a `.`, a wildcard or a space.
//
// | subject                              | published by           | heard by                  | carries                |
// |--------------------------------------|------------------------|---------------------------|------------------------|
// | usher.command.<node>.<incarnation>   | gateways, as requests  | that life of that node    | a batch of commands    |
// | usher.update.<show>                  | the show's owner       | gateways, each all shows  | a show's update        |
// | usher.heartbeat.<node>               | that node, each 100 ms | nodes, gateways           | that it lives, and how |
// | usher.view                           | who changed the view   | nodes, gateways           | the view               |
// | usher.owner.<show>                   | who claimed the show   | gateways                  | who owns it, by a claim |
// | usher.news.<show> (JetStream)        | the event relay        | whoever wants             | notifier's matter       |

import { assert } from "../kernel/assert.ts";
import type { ShowId } from "../kernel/ids.ts";

const NODE_ID = /^[A-Za-z0-9_-]{1,40}$/;

/**
 * Where one life of a node takes commands: a batch that was meant for an earlier life finds nobody there ("no responders",
 * at once), instead of a node which no longer knows the shows it was asked about.
 */
export function commandSubject(nodeId: string, incarnation: number): string {
  assert(NODE_ID.test(nodeId), "a node id that is none");
  assert(Number.isSafeInteger(incarnation) && incarnation >= 0, `incarnation ${incarnation}`);
  return `usher.command.${nodeId}.${incarnation}`;
}

/** What a show's owner committed. A subject for each show: who needs few may hear few. */
export const updateSubject = (showId: ShowId): string => `usher.update.${showId}`;
export const UPDATES = "usher.update.*";

/** The absence of these is the first witness of a death; their view number tells who is behind. */
export function heartbeatSubject(nodeId: string): string {
  assert(NODE_ID.test(nodeId), "a node id that is none");
  return `usher.heartbeat.${nodeId}`;
}
export const HEARTBEATS = "usher.heartbeat.*";

/** There is a newer view, said at once by who wrote it; who misses it learns of it by the next heartbeat. */
export const VIEW_SUBJECT = "usher.view";

/**
 * Who has just claimed a show that the ring gives to another (or gave, before the gateways heard of the new view): saves
 * them a `moved`. A hint: whoever is asked wrongly says so.
 */
export const ownerSubject = (showId: ShowId): string => `usher.owner.${showId}`;
export const OWNERS = "usher.owner.*";
