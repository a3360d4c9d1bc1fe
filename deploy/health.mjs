// `node deploy/health.mjs URL`: exit 0 when it answers 2xx in time, else 1 with a sentence. For health checks in an image
// that has no curl; without TypeScript, since starting its loader every few seconds costs more than the check.

const BOUND_MS = 2_500;
const [url = ""] = process.argv.slice(2);

try {
  const response = await fetch(url, { signal: AbortSignal.timeout(BOUND_MS) });
  const text = await response.text();
  if (!response.ok) {
    process.stderr.write(`${url} answers ${response.status}: ${text.slice(0, 500)}\n`);
    process.exitCode = 1;
  }
} catch (error) {
  process.stderr.write(`${url || "no URL"}: ${error.cause?.message ?? error.message}\n`);
  process.exitCode = 1;
}
