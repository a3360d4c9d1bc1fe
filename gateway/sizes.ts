// How much this gateway holds now, for the metrics: the sizes of everything that has a limit.

import { Gauge, type Registry } from "prom-client";

export interface Sized {
  readonly size: number;
}

export function observeSizes(
  registry: Registry,
  parts: { readonly lot: Sized; readonly views: Sized; readonly streams: Sized },
): void {
  const gauge = (name: string, help: string, part: Sized): void => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(part.size);
      },
    });
  };
  gauge("usher_parked_polls", "Long polls parked on this gateway.", parts.lot);
  gauge("usher_seat_views", "Seat maps kept by this gateway.", parts.views);
  gauge("usher_seat_streams", "Seat map streams open on this gateway.", parts.streams);
}
