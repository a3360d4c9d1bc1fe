// The JetStream stream that a house's news is in, for whoever fills it and whoever reads it.
// S1: one subject a show; a message's id is its news' id. JetStream is never the only copy: the log can tell it again.
// S2: nobody's stream is bent into ours: one of that name that is something else is a fault, said plainly. What is an
//     operator's choice (replicas, limits of size) stays as it is.

import { randomUUID } from "node:crypto";
import {
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from "nats";
import { natsFaultOf } from "./nats.ts";
import { StartFault } from "./start-fault.ts";

export const NEWS_STREAM = "USHER_NEWS";
export const NEWS_TYPE_HEADER = "Usher-Type";
const SUBJECTS = "usher.news.>";
const SUBJECT_PREFIX = "usher.news.";
/** Who tells the same news again within it is recognised by the server. Later ones the sink recognises. */
const DUPLICATE_WINDOW_MS = 120_000;
export const API_MAX_MS = 5_000;

const STREAM_NOT_FOUND = 10_059;
const STREAM_NAME_TAKEN = 10_058;
const SUBJECTS_OVERLAP = 10_065;
const JETSTREAM_OFF = new Set([10_076, 10_039]);

export const newsSubjectOf = (showId: string): string => `${SUBJECT_PREFIX}${showId}`;

/** JetStream's own number for what went wrong. */
export function jetStreamCodeOf(error: unknown): number | undefined {
  return error instanceof NatsError ? error.api_error?.err_code : undefined;
}

export interface NewsStream {
  /** Another one is another stream, whose sequences mean something else. (Not its time of creation: nats-server 2.9
   * tells another one after a restart.) */
  readonly id: string;
  /** Of the last message, 0 when there was none yet. */
  readonly lastSequence: number;
}

/**
 * The stream, made or brought up to `maxAgeMs`. Throws a StartFault when that cannot be, a NatsFault when NATS does not
 * answer.
 */
export async function ensureNewsStream(connection: NatsConnection, maxAgeMs: number): Promise<NewsStream> {
  try {
    const manager = await connection.jetstreamManager({ checkAPI: false, timeout: API_MAX_MS });
    const found = await infoOf(manager);
    if (found === undefined) return await addStream(manager, maxAgeMs);
    const { config } = found;
    const wrong = differencesOf(config);
    if (wrong.length > 0) {
      throw new StartFault(
        "news_stream",
        `The stream ${NEWS_STREAM} of this NATS is not one for Usher's news (${wrong.join(", ")}); move or delete it.`,
      );
    }
    const wanted = { max_age: nanos(maxAgeMs), duplicate_window: nanos(windowMs(maxAgeMs)) };
    if (config.max_age !== wanted.max_age || config.duplicate_window !== wanted.duplicate_window) {
      await manager.streams.update(NEWS_STREAM, wanted);
    }
    return streamOf(found);
  } catch (error) {
    throw streamFault(error, connection);
  }
}

const windowMs = (maxAgeMs: number): number => Math.min(DUPLICATE_WINDOW_MS, maxAgeMs);

async function infoOf(manager: JetStreamManager) {
  try {
    return await manager.streams.info(NEWS_STREAM);
  } catch (error) {
    if (jetStreamCodeOf(error) === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}

async function addStream(manager: JetStreamManager, maxAgeMs: number): Promise<NewsStream> {
  try {
    const added = await manager.streams.add({
      name: NEWS_STREAM,
      description: `What happens in the shows of this house, as CloudEvents (${randomUUID()})`,
      subjects: [SUBJECTS],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      max_age: nanos(maxAgeMs),
      duplicate_window: nanos(windowMs(maxAgeMs)),
    });
    return streamOf(added);
  } catch (error) {
    if (jetStreamCodeOf(error) !== STREAM_NAME_TAKEN) throw error;
    // Somebody made it in between.
    return streamOf(await manager.streams.info(NEWS_STREAM));
  }
}

const streamOf = ({ config, state }: StreamInfo): NewsStream => ({
  id: config.description ?? "",
  lastSequence: state.last_seq,
});

function differencesOf(config: StreamInfo["config"]): string[] {
  const differences: string[] = [];
  if (config.subjects?.join() !== SUBJECTS) differences.push(`its subjects are ${config.subjects?.join() || "none"}`);
  if (config.storage !== StorageType.File) differences.push("it is not kept in files");
  if (config.retention !== RetentionPolicy.Limits) differences.push(`its retention is ${config.retention}`);
  if (config.max_msgs_per_subject > 0) differences.push(`it keeps ${config.max_msgs_per_subject} messages a show`);
  if (config.no_ack) differences.push("it acknowledges nothing");
  if (config.sealed) differences.push("it is sealed");
  if (config.mirror !== undefined || (config.sources?.length ?? 0) > 0) differences.push("it is fed by another stream");
  return differences;
}

function streamFault(error: unknown, connection: NatsConnection): Error {
  if (error instanceof StartFault) return error;
  const code = jetStreamCodeOf(error);
  const isOff =
    (code !== undefined && JETSTREAM_OFF.has(code)) ||
    (code === undefined && error instanceof NatsError && error.code === "503");
  if (isOff) {
    return new StartFault(
      "news_stream",
      "This NATS has no JetStream; start it with -js (and -sd for its folder).",
      error,
    );
  }
  if (code === SUBJECTS_OVERLAP) {
    return new StartFault("news_stream", `Another stream of this NATS has subjects of ${SUBJECTS}; it must go.`, error);
  }
  return natsFaultOf(error, connection);
}
