// The catalogue's part of a gateway, put together: its directory of shows and its routes. Starts nothing.

import type { Clock } from "../../shared/platform/clock.ts";
import type { Log } from "../../shared/platform/log.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import type { Timers } from "../../shared/platform/timers.ts";
import type { AllocatorPort } from "../../shared/protocol/allocator-port.ts";
import type { Endpoint } from "../http/endpoint.ts";
import type { Operations } from "../http/idempotency.ts";
import { adminCatalogueEndpoints } from "../routes/admin-catalogue.ts";
import { adminShowsEndpoints } from "../routes/admin-shows.ts";
import { citiesEndpoints } from "../routes/cities.ts";
import { layoutsEndpoints } from "../routes/layouts.ts";
import { moviesEndpoints } from "../routes/movies.ts";
import { showsEndpoints } from "../routes/shows.ts";
import { showtimesEndpoints } from "../routes/showtimes.ts";
import { CatalogueAdmin } from "./admin.ts";
import { CatalogueReader } from "./reader.ts";
import { type LiveSeatsSource, type PolicyDefaults, ShowAnswers } from "./show-answers.ts";
import { ShowDirectory } from "./show-directory.ts";

export interface CatalogueParts {
  readonly pool: Pool;
  readonly allocator: Pick<AllocatorPort, "ask">;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly defaults: PolicyDefaults;
  /** The catalogue was changed through this gateway; nobody else has one, unless given. */
  readonly onChanged?: () => void;
}

/** What its routes share with the gateway's others. */
export interface CatalogueShared {
  readonly seats: LiveSeatsSource;
  readonly operations: Operations;
}

export interface Catalogue {
  /** For everybody who must know a show's hall. */
  readonly shows: ShowDirectory;
  /** It was changed by somebody else: answers that are kept are dropped. */
  invalidate(): void;
  endpoints(shared: CatalogueShared): Endpoint[];
}

export function assembleCatalogue(parts: CatalogueParts): Catalogue {
  const { pool, clock, defaults } = parts;
  const shows = new ShowDirectory(pool);
  const reader = new CatalogueReader({ pool, clock });
  const admin = new CatalogueAdmin({ ...parts, reader });
  return {
    shows,
    invalidate: () => reader.invalidate(),
    endpoints: ({ seats, operations }) => {
      const answers = new ShowAnswers({ directory: shows, reader, seats, defaults });
      return [
        ...citiesEndpoints(reader),
        ...moviesEndpoints(reader),
        ...showtimesEndpoints(reader),
        ...showsEndpoints(answers),
        ...layoutsEndpoints(shows),
        ...adminCatalogueEndpoints(admin),
        ...adminShowsEndpoints({ admin, shows: answers, operations }),
      ];
    },
  };
}
