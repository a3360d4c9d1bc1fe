// Times at the HTTP edge.

/** Milliseconds since the epoch as `YYYY-MM-DDTHH:MM:SS.mmmZ`. */
export const rfc3339 = (ms: number): string => new Date(ms).toISOString();
