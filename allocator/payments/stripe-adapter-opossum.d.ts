// The slice of opossum 9 that the adapter uses; the package ships no types.

declare module "opossum" {
  interface BreakerOptions {
    readonly timeout: false;
    readonly errorThresholdPercentage: number;
    readonly volumeThreshold: number;
    readonly resetTimeout: number;
    readonly rollingCountTimeout: number;
    readonly rollingPercentilesEnabled: boolean;
    readonly enableSnapshots: boolean;
  }

  export default class CircuitBreaker<Args extends unknown[], Result> {
    constructor(action: (...args: Args) => Promise<Result>, options: BreakerOptions);
    /** Rejects with the action's error, or with one of `isOurError` when nothing was called. */
    fire(...args: Args): Promise<Result>;
    readonly opened: boolean;
    readonly halfOpen: boolean;
    /** Half open, and its one probe not yet taken. */
    readonly pendingClose: boolean;
    on(event: "open" | "halfOpen" | "close", listener: () => void): this;
    shutdown(): void;
    static isOurError(error: unknown): boolean;
  }
}
