// NATS as the cluster's bus: what the bus promises (shared/cluster/bus.ts) of a NATS connection.

import type { Bus } from "../cluster/bus.ts";
import type { NatsLink, NatsMessage } from "./nats.ts";

const NO_RESPONDERS = 503;

const isUnheard = ({ headers, data }: NatsMessage): boolean => headers?.code === NO_RESPONDERS && data.length === 0;

export function natsBus(link: NatsLink): Bus {
  return {
    publish(subject, data, reply) {
      // Away: dropped, as B3 says; who waits for an answer hears of the connection.
      if (link.status !== "connected") return;
      link.publish(subject, data, reply === undefined ? {} : { reply });
    },
    subscribe(subject, listener) {
      const subscription = link.subscribe(subject, (message) => {
        const { data, reply } = message;
        listener({ subject: message.subject, data, reply, isUnheard: isUnheard(message) });
      });
      return () => subscription.unsubscribe();
    },
    isConnected: () => link.status === "connected",
    onConnection: (listener) => link.onStatus((status) => listener(status === "connected")),
  };
}
